//! The path builder's reasons in words: its own texts are the names of its variants.

/// Why a chain is refused, where no certificate of it can be named. What is about revocation lists does not come up: none is
/// consulted.
pub(super) fn of(error: &webpki::Error) -> String {
    use webpki::Error;

    let text = match error {
        Error::BadDer => "a certificate is no valid DER",
        Error::BadDerTime => "a date of a certificate cannot be read",
        Error::CertDistrusted => "a key is explicitly distrusted",
        Error::CertNotValidForName(_) => "a certificate is not for the wanted name",
        Error::EmptyEkuExtension => "an extended key usage permits nothing",
        Error::ExtensionValueInvalid | Error::MalformedExtensions => {
            "an extension of a certificate cannot be read"
        }
        Error::InvalidCertValidity => "a certificate ends before it begins",
        Error::InvalidNetworkMaskConstraint | Error::MalformedNameConstraint => {
            "the name constraints of an authority cannot be read"
        }
        Error::InvalidSerialNumber => {
            "a serial number is negative, too long or cannot be read (RFC 5280 allows 20 octets)"
        }
        Error::MalformedDnsIdentifier => "a DNS name of a certificate is none",
        Error::MaximumNameConstraintComparisonsExceeded => {
            "its names and name constraints are too many to be compared"
        }
        Error::RequiredEkuNotFoundContext(_) => "an extended key usage does not permit this use",
        Error::SignatureAlgorithmMismatch => {
            "a certificate names two different algorithms for its signature"
        }
        Error::TrailingData(_) => "something follows the end of a certificate or of a part of it",
        Error::UnknownIssuer => "an issuer is missing or not trusted",
        Error::InvalidSignatureForPublicKey => "a signature does not verify",
        Error::UnsupportedCertVersion => "a certificate is not of version 3 of X.509",
        Error::UnsupportedCriticalExtension => "a critical extension is not understood",
        Error::UnsupportedNameType => "a name is of a kind that is not understood",
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "the algorithm of a signature is not accepted, or does not fit the issuer's key"
        }
        // The others are told by the certificate that is to blame, or are about what is not done here.
        _ => "its certificates do not hold together",
    };
    text.to_owned()
}
