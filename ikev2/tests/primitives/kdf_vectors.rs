//! The key derivation against NIST's cases for it: Cryptographic Algorithm Validation Program, component
//! tests of SP 800-135, `ikev2.rsp`, the first case (SHA-1, nonces of 64 bits, g^ir of 1024, 1056 bits of
//! each keying material), and of the cases of SHA-256, SHA-384 and SHA-512 those that NSS has taken over into its own tests
//! (`gtests/common/testvectors/ike-sha{256,384,512}-vectors.h`, numbers 6, 7 and 8 of each, said to be NIST's samples): nonces of
//! 64 bits, g^ir of 256, the first 1056 bits of keying material, none for children.

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

/// One of the cases of the SHA-2 family.
struct Case {
    prf: PrfAlgorithm,
    nonces: [&'static str; 2],
    spis: [u64; 2],
    secret: &'static str,
    seed: &'static str,
    dkm: &'static str,
    new_secret: &'static str,
    rekeyed_seed: &'static str,
}

const SHA_2: [Case; 3] = [
    Case {
        prf: PrfAlgorithm::HmacSha2_256,
        nonces: ["3f302be1abcb28e1", "8c332ee006064c9b"],
        spis: [0x40da_c39e_1e1a_8640, 0x8619_a1cf_9a6e_4c07],
        secret: "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
        seed: "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
        dkm: "
            0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ec
            e98aca531188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6
            cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4
            e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986
            d12d4aad",
        new_secret: "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
        rekeyed_seed: "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398",
    },
    Case {
        prf: PrfAlgorithm::HmacSha2_384,
        nonces: ["fd1b572a8e735591", "6013b0ef88dacd3d"],
        spis: [0x2116_ad07_ce61_f749, 0x2488_0e55_f11a_65b7],
        secret: "d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
        seed: "
            69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d
            7d0b596f51f7dfcf3330061888f6a94f",
        dkm: "
            4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cac
            b04cd6deeda4f952191dd9bc1f7a9502471a648d74dc06d38112de48a42501f6
            b1a3ad55c2099cd9a648e5f17e5bf3e34bf9b5953decb768a34f875fe2b78dca
            0c2fcca81ec1a412006dfaed38fa06882e61f4c148105fb8e231fdb33c4d484c
            001721d4",
        new_secret: "3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
        rekeyed_seed: "
            e0548c1682e13bce454026b3b1bdf42985b24e4e7408095a7c529de38c3d1fcb
            04c9fe6868042a34c9614c6c99e3fcea",
    },
    Case {
        prf: PrfAlgorithm::HmacSha2_512,
        nonces: ["97c41a9b0a03e74c", "a659fd06e1746600"],
        spis: [0xff43_c5c6_89b9_5481, 0xe2ba_607f_3007_9bb7],
        secret: "276255c3eaace5c6db32b609aa86c0ef07bba4bf2dc4c262995efd95ca607c3f",
        seed: "
            d6e74966b75fd2afab48be319d63d97c8a5d2ffe2e320763a462c664b36c3a94
            4067d867c3a55fd8a7e5cca64b22e24415987e15549f09a81b455adaa5303df8",
        dkm: "
            22259105314717dc73c210919ee9cb3ded774dc087e866aa3960404c0ed7b8e7
            8e79b993888388e2e5cb238d4bfcb4cdee9da074a26e329d6c2f2f660cc9c711
            c941a2fb3d85a2e5d01e579c8f2c9d00fa6fabe76a137b00c7ff1b2918999065
            88c26f073d819063238c4c844f0f8d221b65b76dbc9ed6f6368e5dba86b3e81b
            60eb44a1",
        new_secret: "bb4015f7727b35532021336a9e4a6370ac8729b01fbb8f15d52236820fac4709",
        rekeyed_seed: "
            ecdaf3ccb990abc898a453b03fd56f9975275f150e1e571b0560b3cb2ee67289
            e82b899cdc2129fd821fe8aebea796f190765c25798f5883f923526551f16a4b",
    },
];

// RFC 7296 §2.13#3, §2.14#1, §2.18: the keys of an SA and the seed of its successor, with the PRFs of the SHA-2 family.
#[test]
fn the_keys_of_an_sa_with_a_prf_of_the_sha_2_family_are_nist_s() {
    for case in SHA_2 {
        let suite = IkeSuite {
            prf: case.prf,
            ..SUITE
        };
        let [ni, nr] = case.nonces.map(hex);
        let seed = SkeySeed::initial(suite.prf, &ni, &nr, &secret(case.secret));
        assert_eq!(seed.as_bytes(), hex(case.seed), "{:?}", case.prf);
        let keys = seed.derive(suite, &ni, &nr, case.spis[0], case.spis[1]);
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
        ]
        .concat();
        let dkm = hex(case.dkm);
        assert_eq!(dkm.len(), 132);
        assert_eq!(cut[..132], dkm, "{:?}", case.prf);
        let new = secret(case.new_secret);
        let seed = SkeySeed::rekeyed(&keys.derivation, &new, (&ni, &nr), &[]);
        assert_eq!(seed.as_bytes(), hex(case.rekeyed_seed), "{:?}", case.prf);
    }
}
