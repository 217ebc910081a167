"""Certificates for the tests of TLS, made when they are needed, in a fresh folder, by Debian's openssl."""

import datetime

import real

# What `openssl ca` wants to be told: the one command that takes both dates, and keeps the list of what was revoked.
CONFIGURATION = """
[ca]
default_ca = here
[here]
dir = {folder}
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
authorityKeyIdentifier = keyid
[req]
distinguished_name = nobody
[nobody]
"""

ELLIPTIC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
SHORT_RSA = ("-newkey", "rsa:1024")


def openssl(*arguments, **keywords):
    return real.run([real.tool("openssl"), *map(str, arguments)], **keywords)


def date(days):
    """So many days from today, as openssl writes it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Certificate:
    """Two files: the certificate, and its key."""

    def __init__(self, pem, key):
        self.pem, self.key = str(pem), str(key)

    @property
    def fingerprint(self):
        printed = openssl("x509", "-in", self.pem, "-noout", "-fingerprint", "-sha256").decode()
        return printed.strip().partition("=")[2].replace(":", "").lower()


class Authority(Certificate):
    """Signs certificates, and revokes them."""

    def __init__(self, folder, name="authority"):
        self.folder = folder / name
        self.folder.mkdir()
        super().__init__(self.folder / "ca.pem", self.folder / "ca.key")
        self.configuration = self.folder / "openssl.cnf"
        self.configuration.write_text(CONFIGURATION.format(folder=self.folder))
        (self.folder / "index").touch()
        for counter in ("serial", "crlnumber"):
            (self.folder / counter).write_text("01\n")
        openssl("req", "-x509", "-config", self.configuration, "-extensions", "authority", *ELLIPTIC, "-nodes",
                "-keyout", self.key, "-out", self.pem, "-subj", f"/CN={name}", "-days", "30")

    def sign(self, name, subject_names="DNS:localhost,IP:127.0.0.1", begin=-1, end=30, key=ELLIPTIC):
        """A certificate, valid from `begin` to `end`, which count days from today."""
        leaf = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        openssl("req", "-new", "-config", self.configuration, *key, "-nodes", "-keyout", leaf.key, "-out", request,
                "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject_names}")
        openssl("ca", "-config", self.configuration, "-batch", "-notext", "-extensions", "leaf", "-in", request,
                "-out", leaf.pem, "-startdate", date(begin), "-enddate", date(end))
        return leaf

    def revoke(self, certificate):
        openssl("ca", "-config", self.configuration, "-revoke", certificate.pem)

    def revocation_list(self):
        """A file with the list as it is now."""
        path = self.folder / "crl.pem"
        openssl("ca", "-config", self.configuration, "-gencrl", "-out", path)
        return str(path)


def self_signed(folder, name="self-signed"):
    certificate = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    openssl("req", "-x509", *ELLIPTIC, "-nodes", "-keyout", certificate.key, "-out", certificate.pem,
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-days", "30")
    return certificate
