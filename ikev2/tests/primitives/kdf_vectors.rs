//! The key derivation against NIST's cases for it: Cryptographic Algorithm Validation Program, component
//! tests of SP 800-135, `ikev2.rsp`, the first case (SHA-1, nonces of 64 bits, g^ir of 1024, 1056 bits of
//! each keying material).

use ironflex_ikev2::{
    crypto::{
        Additional, CbcAlgorithm, ChildKeys, EspSuite, Group, IkeSuite, Integrity, MessageKeys,
        PrfAlgorithm, Protection, ProtectionKeys, SkeySeed,
    },
    secret::{SecretBytes, SharedSecret},
};

use crate::support::hex;

const NI: &str = "3651fef5c9c35e93";
const NR: &str = "c09a8b90a3f04d59";
const SPI_I: u64 = 0x8e5c_3ae5_0722_1684;
const SPI_R: u64 = 0xb1f2_01bb_155c_3acd;
const G_IR: &str = "
    d084a30166a50fb7325c3960874a839449ef9741c2f4f947d0201dd8c1269273
    d79509f37e3ca3eb4fa2fe2a28254e289cd3f34dad4eb4df1a07685a4b8a94fa
    61e2491f7598b3ce65547ff133b3f63d1ac4175eaa695033f3cedb026a6873a3
    6455172a8540b8a5d23a0143bed0390ee49b168269d75fffee9fb62be965993c";
const G_IR_NEW: &str = "
    52f00ab174c25d5b7139ae5ff4e8e9eddee5992d2e36adf8a559ffd90dab1442
    e4fbe429d320c0f33552a17d1557fa41ea70e8fb916c4fa27ed52b5f8ebd8461
    afa78f1159159a64055ac5f6319e29c28eae58cbc6847770f32c3fed1d047504
    84f854790f95e9ec01bc5bc461f24966462e359511329305038e94deb6dd42c2";
const SKEYSEED: &str = "cd2e8050137832245f1dbacc6e4f0a92f94d45d6";
const DKM: &str = "
    6f1b12cad3cbe097b35430356d869d54cddb0198ec859174d53ceb92dddedbe2
    436db69f60977c58fa63bbb667f8d36920b109baae8f6c61a9ac49feda018432
    25d080ec5539d5881a25521ffb2a0a91874a9c0a27fcc2d717eb8963a9e3a89c
    7ab264757284c28cf8c3ca40576f4220b052b1fb8e9ad60ba3c80557323331a8
    cbb89f20";
const DKM_CHILD: &str = "
    4727dc0ef94eb326ce131cf282fb652faa638ad0ddae3786a11bcc0309876009
    f8c485de011ad962c5b1ca8a41ff8145445749079c5686e26ffebbc342f06981
    f3da745e11ca0976424d1f8caec623d59dc7186deb20a27b411d1dcb70a36544
    0bf7de905088b0692e8addc094e18d1939bdb67e89798ca6b239e2ccb81c2409
    dac0106c";
const DKM_CHILD_WITH_DH: &str = "
    b109c21ad4c0797768c1cec9e63554681e48f224bca7f23c20c4ea7041983451
    e9aa1d5408656c8a975ff1b9d9a12c75ffeb64bdecb30174664cccb4e14f1c37
    7b7f6d1525af77c7092aac3e47f917ebae8297fb5539d2008ce830823a09cc19
    7361d4a289c72745f6ce9fefe812be5bf55b3200fbb82e41a4a40877d3fe106d
    b909707b";
const SKEYSEED_REKEYED: &str = "3b03bce748c96d5e8306918d2ff89b68f0648da3";

/// Of the suites with this PRF the one whose seven keys have 132 octets together.
const SUITE: IkeSuite = IkeSuite {
    protection: Protection::EncryptThenMac(CbcAlgorithm::AesCbc128, Integrity::HmacSha1_96),
    prf: PrfAlgorithm::HmacSha1,
    group: Group::Modp2048,
    additional: Additional::NONE,
};

/// Its four keys have 128 octets together.
const CHILD: EspSuite = EspSuite {
    protection: Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128),
    esn: false,
};

fn secret(digits: &str) -> SharedSecret {
    SharedSecret::new(SecretBytes::new(hex(digits)))
}

fn encryption(keys: &ProtectionKeys) -> &[u8] {
    keys.encryption().as_bytes()
}

fn integrity(keys: &ProtectionKeys) -> &[u8] {
    keys.integrity().unwrap().as_bytes()
}

/// The keying material that the keys of a child were cut from.
fn keymat(keys: &ChildKeys) -> Vec<u8> {
    [&keys.initiator_to_responder, &keys.responder_to_initiator]
        .into_iter()
        .flat_map(|keys| [encryption(keys), integrity(keys)].concat())
        .collect()
}

// RFC 7296 §2.14, §2.17, §2.18.
// RFC 7296 §2.13#3, §2.14#1, §2.17#1-3: lengths and order of all keys.
#[test]
fn every_key_of_an_sa_its_children_and_its_successor_is_nist_s() {
    let (ni, nr) = (hex(NI), hex(NR));
    let seed = SkeySeed::initial(SUITE.prf, &ni, &nr, &secret(G_IR));
    assert_eq!(seed.as_bytes(), hex(SKEYSEED));

    let keys = seed.derive(SUITE, &ni, &nr, SPI_I, SPI_R);
    let [i, r] =
        [&keys.initiator_to_responder, &keys.responder_to_initiator].map(MessageKeys::keys);
    let cut = [
        keys.derivation.as_bytes(),
        integrity(i),
        integrity(r),
        encryption(i),
        encryption(r),
        keys.initiator_proof.as_bytes(),
        keys.responder_proof.as_bytes(),
    ];
    assert_eq!(cut.concat(), hex(DKM));

    let child = keys.derivation.child_keys(CHILD, None, &ni, &nr);
    assert_eq!(keymat(&child), hex(DKM_CHILD)[..128]);
    let new = secret(G_IR_NEW);
    let child = keys.derivation.child_keys(CHILD, Some(&new), &ni, &nr);
    assert_eq!(keymat(&child), hex(DKM_CHILD_WITH_DH)[..128]);

    let seed = SkeySeed::rekeyed(&keys.derivation, &new, (&ni, &nr), &[]);
    assert_eq!(seed.as_bytes(), hex(SKEYSEED_REKEYED));
}
