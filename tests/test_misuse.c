#include "crew.h"

TEST(to_be_written, "")
{
}
