#!/bin/sh
# Makes every file of this folder anew with OpenSSL 3 (see README.md). Needs openssl with its legacy provider.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl genrsa -out "$work/$1.key" 2048 2>/dev/null; }

# certify NAME SUBJECT ISSUER START END, extensions on standard input; ISSUER "self" for a root.
certify() {
    cat >"$work/$1.ext"
    if [ "$3" = self ]; then issuer=$1; else issuer=$3; fi
    openssl req -new -key "$work/$1.key" -subj "$2" -out "$work/$1.csr"
    rm -rf "$work/db" && mkdir "$work/db" && : >"$work/db/index" && openssl rand -hex 8 >"$work/db/serial"
    if [ "$3" != self ]; then cp "$work/$3.pem" "$work/ca.pem"; self=; else self=-selfsign; fi
    cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = c
[c]
database = $work/db/index
serial = $work/db/serial
new_certs_dir = $work/db
default_md = ${MD:-sha256}
policy = p
unique_subject = no
[p]
countryName = optional
organizationName = optional
commonName = supplied
CNF
    openssl ca -batch -notext -preserveDN -config "$work/ca.cnf" $self -keyfile "$work/$issuer.key" \
        $( [ -n "$self" ] || echo "-cert $work/ca.pem" ) -in "$work/$1.csr" -out "$work/$1.pem" \
        -extfile "$work/$1.ext" -startdate "$4" -enddate "$5" 2>/dev/null
}

# A hundred years, so that no test depends on the day on which it runs.
long="20250101000000Z 21241231235959Z"
authority='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash'
server='basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
subjectAltName=DNS:vpn.example.com,IP:192.0.2.1,IP:2001:db8::1'

for name in root sub server expired self other; do key $name; done
printf '%s\n' "$authority" | certify root "/C=DE/O=Ironflex Test/CN=Root CA" self $long
printf '%s\n' "$authority" | certify sub "/C=DE/O=Ironflex Test/CN=Issuing CA" root $long
printf '%s\n' "$server" | certify server "/C=DE/O=Ironflex Test/CN=vpn.example.com" sub $long
printf '%s\n' "$server" | certify expired "/O=Ironflex Test/CN=vpn.example.com" sub 20250101000000Z 20250201000000Z
printf '%s\n' "$server" | certify self "/CN=vpn.example.com" self $long
cp "$work/server.key" "$work/sha1.key"
printf '%s\n' "$server" | MD=sha1 certify sha1 "/CN=sha1.example.com" sub $long
for curve in 224 521; do
    openssl ecparam -genkey -noout -name secp${curve}r1 -out "$work/p$curve.key"
    printf '%s\n' "$authority" | certify p$curve "/CN=P-$curve CA" self $long
    cp "$work/p$curve.pem" p$curve.pem
done
cp "$work/root.pem" root.pem
cp "$work/sub.pem" sub.pem
cp "$work/server.pem" server.pem
cp "$work/sha1.pem" sha1.pem
cat "$work/sub.pem" "$work/root.pem" >"$work/chain.pem"

# export NAME CERTIFICATE KEY CHAIN OPTIONS…; the password is the one of the public Cisco example.
export_p12() {
    name=$1 certificate=$2 key=$3 chain=$4
    shift 4
    openssl pkcs12 -export -in "$work/$certificate.pem" -inkey "$work/$key.key" \
        $( [ -z "$chain" ] || echo "-certfile $work/$chain.pem" ) \
        -name IKEv2-TP -passout pass:cisco123 -out "$name.p12" "$@"
}
export_p12 openssl3 server server chain
export_p12 legacy server server chain -legacy
export_p12 no-mac server server chain -nomac
export_p12 without-root server server sub
export_p12 without-issuer server server root
export_p12 expired expired expired chain
export_p12 self-signed self self ""
openssl pkcs12 -export -nokeys -in "$work/chain.pem" -passout pass:cisco123 -out no-key.p12
openssl pkcs12 -export -nocerts -inkey "$work/server.key" -passout pass:cisco123 -out no-certificate.p12 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -outform DER -in "$work/other.key" -out other-key.der
chmod 644 *.p12 *.der *.pem
