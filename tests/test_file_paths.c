/* test_file_paths.c -- files by their names: new names, stat, rename, directories and what stands in them. */
#include "file_rig.h"

/* ------------------------------------------------------------------------------------------------------- New names */

static int new_names(void *arg)
{
    struct asyncio_file *file = NULL, *second = NULL;
    struct asyncio_stat_result about = {0};
    char path[256], other[256];

    (void)arg;
    snprintf(path, sizeof path, "%s/a-XXXXXX", directory);
    snprintf(other, sizeof other, "%s/a-XXXXXX", directory);
    EXPECT_INT(asyncio_mkstemp(path, &file), 0);
    EXPECT_INT(asyncio_mkstemp(other, &second), 0);
    EXPECT(strcmp(path, other) != 0 && !strstr(path, "XXXXXX"));
    EXPECT_INT(asyncio_stat(path, &about), 0);
    EXPECT_INT(about.mode, S_IFREG | 0600);
    EXPECT_INT(asyncio_file_writeall(file, "abc", 3), 0);
    EXPECT_INT(asyncio_unlink(path), 0);
    EXPECT_INT(asyncio_unlink(other), 0);
    asyncio_file_unref(file);
    asyncio_file_unref(second);
    snprintf(path, sizeof path, "%s/XXXXXX", directory);
    EXPECT_INT(asyncio_mkdtemp(path), 0);
    EXPECT_INT(asyncio_stat(path, &about), 0);
    EXPECT_INT(about.mode, S_IFDIR | 0700);
    EXPECT_INT(asyncio_rmdir(path), 0);
    /* What cannot be made keeps its pattern. */
    snprintf(path, sizeof path, "%s/none/XXXXXX", directory);
    EXPECT_INT(asyncio_mkdtemp(path), -ENOENT);
    EXPECT_INT(asyncio_mkstemp(path, &file), -ENOENT);
    EXPECT(strstr(path, "/XXXXXX"));
    snprintf(path, sizeof path, "%s/XXXXX", directory);
    EXPECT_INT(asyncio_mkdtemp(path), -EINVAL);
    EXPECT_INT(asyncio_mkstemp(path, &file), -EINVAL);
    EXPECT_INT(asyncio_mkstemp(NULL, &file), -EINVAL);
    EXPECT_INT(asyncio_file_temporary(directory, &file), 0);
    EXPECT_INT(asyncio_file_stat(file, &about), 0);
    EXPECT_INT(about.links, 0);
    asyncio_file_unref(file);
    EXPECT_INT(asyncio_file_temporary(in_directory("none"), &file), -ENOENT);
    return 0;
}

TEST_EPOLL(names_made, "files and directories of new names, and files without one, which leave nothing")
{
    begin_directory();
    EXPECT_INT(run(new_names, NULL), 0);
    end_directory();
}

/* ----------------------------------------------------------------------------------------------------------- Names */

static int use_names(void *arg)
{
    struct asyncio_stat_result about = {0}, same = {0};
    struct asyncio_file *file = NULL;
    struct stat known;

    (void)arg;
    EXPECT_INT(asyncio_file_open(in_directory("file"), O_WRONLY | O_CREAT | O_EXCL, 0640, &file), 0);
    EXPECT_INT(asyncio_file_writeall(file, "hello", 5), 0);
    EXPECT_INT(asyncio_file_stat(file, &same), 0);
    EXPECT_INT(asyncio_stat(in_directory("file"), &about), 0);
    EXPECT_INT(stat(in_directory("file"), &known), 0);
    EXPECT_INT(memcmp(&same, &about, sizeof same), 0);
    EXPECT_INT(about.size, 5);
    EXPECT_INT(about.inode, known.st_ino);
    EXPECT_INT(about.mode, known.st_mode);
    EXPECT_INT(about.links, 1);
    EXPECT_INT(about.user, geteuid());
    EXPECT_INT(about.modified_ns, known.st_mtim.tv_sec * INT64_C(1000000000) + known.st_mtim.tv_nsec);
    EXPECT_INT(asyncio_file_close(file), 0);
    asyncio_file_unref(file);
    EXPECT_INT(symlink("file", in_directory("link")), 0);
    EXPECT_INT(asyncio_stat(in_directory("link"), &about), 0);
    EXPECT_INT(about.inode, known.st_ino);
    EXPECT_INT(asyncio_lstat(in_directory("link"), &about), 0);
    EXPECT_INT(about.mode & S_IFMT, S_IFLNK);
    EXPECT_INT(asyncio_unlink(in_directory("link")), 0);
    EXPECT_INT(asyncio_rename(in_directory("file"), in_directory("other")), 0);
    EXPECT_INT(asyncio_stat(in_directory("file"), &about), -ENOENT);
    EXPECT_INT(asyncio_rename(in_directory("file"), in_directory("other")), -ENOENT);
    EXPECT_INT(asyncio_mkdir(in_directory("below"), 0755), 0);
    EXPECT_INT(asyncio_mkdir(in_directory("below"), 0755), -EEXIST);
    EXPECT_INT(asyncio_unlink(in_directory("below")), -EISDIR);
    EXPECT_INT(asyncio_rmdir(in_directory("other")), -ENOTDIR);
    EXPECT_INT(asyncio_rmdir(in_directory("below")), 0);
    EXPECT_INT(asyncio_unlink(in_directory("other")), 0);
    EXPECT_INT(asyncio_unlink(in_directory("other")), -ENOENT);
    EXPECT_INT(asyncio_stat("", &about), -ENOENT);
    EXPECT_INT(asyncio_stat(NULL, &about), -EINVAL);
    EXPECT_INT(asyncio_stat("/", NULL), -EINVAL);
    EXPECT_INT(asyncio_rename(NULL, "/x"), -EINVAL);
    EXPECT_INT(asyncio_rename("/x", NULL), -EINVAL);
    EXPECT_INT(asyncio_unlink(NULL), -EINVAL);
    return 0;
}

TEST_EPOLL(names_used, "what is known of a file, a link, a directory; their names change and go")
{
    begin_directory();
    EXPECT_INT(run(use_names, NULL), 0);
    end_directory();
}

/* ----------------------------------------------------------------------------------------------------- Directories */

#define N_NAMES 700

static void name_of(char *name, size_t size, int i)
{
    snprintf(name, size, "%0*d", 1 + i % 90, i);
}

static int list_names(void *arg)
{
    static bool seen[N_NAMES];
    struct asyncio_dirent *entries = NULL;
    char name[128];

    (void)arg;
    EXPECT_INT(asyncio_scandir(directory, &entries), 0);
    asyncio_free(entries);
    for (int i = 0; i < N_NAMES; i++) {
        name_of(name, sizeof name, i);
        EXPECT_INT(mkfifo(in_directory(name), 0600), 0);
    }
    EXPECT_INT(asyncio_scandir(directory, &entries), N_NAMES);
    for (int i = 0; i < N_NAMES; i++) {
        int number = (int)strtol(entries[i].name, NULL, 10);

        EXPECT(number >= 0 && number < N_NAMES && !seen[number]);
        seen[number] = true;
        name_of(name, sizeof name, number);
        EXPECT_STR(entries[i].name, name);
        EXPECT(entries[i].type == S_IFIFO || entries[i].type == 0);
        EXPECT(entries[i].inode != 0);
        EXPECT_INT(unlink(in_directory(name)), 0);
    }
    asyncio_free(entries);
    entries = NULL;
    EXPECT_INT(asyncio_scandir(in_directory("none"), &entries), -ENOENT);
    EXPECT_INT(asyncio_scandir("/dev/null", &entries), -ENOTDIR);
    EXPECT_INT(asyncio_scandir(NULL, &entries), -EINVAL);
    EXPECT_INT(asyncio_scandir("/", NULL), -EINVAL);
    EXPECT_PTR(entries, NULL);
    return 0;
}

TEST_EPOLL(directories_listed, "R18: every name of a directory, once, whatever its length, and none when there is none")
{
    begin_directory();
    EXPECT_INT(run(list_names, NULL), 0);
    end_directory();
}
