//! Signatures that a certificate proves. Whose certificate it is, is for whoever fetched it to know.

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::EndEntityCert;

/// `sha1WithRSAEncryption`, in DER.
const RSA_PKCS1_SHA1: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
]);

/// What is hashed how, before RSA signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1: no longer for anything that we choose ourselves.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A certificate with an RSA key.
#[derive(Clone, Debug)]
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// Reads one from PEM; nothing if it is none.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        EndEntityCert::try_from(&certificate).ok()?;
        Some(Self(certificate))
    }

    /// Whether its key made this signature of a message.
    pub fn verifies(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = match hash {
            Hash::Sha1 => Rsa {
                parameters: &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                id: RSA_PKCS1_SHA1,
            },
            Hash::Sha256 => {
                Rsa { parameters: &RSA_PKCS1_2048_8192_SHA256, id: alg_id::RSA_PKCS1_SHA256 }
            }
        };
        EndEntityCert::try_from(&self.0)
            .and_then(|certificate| certificate.verify_signature(&algorithm, message, signature))
            .is_ok()
    }
}

/// RSA with PKCS #1 padding. webpki has no SHA-1, and finds the key in a certificate for whoever brings it.
#[derive(Debug)]
struct Rsa {
    parameters: &'static RsaParameters,
    id: AlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(self.parameters, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const PEM: &[u8] = include_bytes!("certificate/test.pem");
    const MESSAGE: &[u8] = b"Message\ntext\n";
    /// What `openssl dgst -sign` made of the message.
    const OF_SHA1: &str = "pxyJpJmSdY0nxF4vjGOsdMXIjyrBxcpyiXwW24PohfHA29jzgx2aWiYF5uKUvFGAEeVDylNGpnx8ls7leSzGyPcmcw2gGcRv\
     gNvPyeIeIaYR9lcSGfFXRp8FQVjwueS37SDtgGPK/uHFXJ1S4PWYMNR2m7W/KKGpLc9H/LlytcxxeOQwfYVJyhEPWl6r8s/J\
     t3SW3YL+mj19CYLtO9T6c3JChCpU+Dnyrl2vFW+BdvtcyzgqZHHTxf4GaxGJleXYuymBi/FW9lqjN1313z49ygl9oyWidH/z\
     UudqlJg9QqrRHob/kiL1Fkadx6/tn4zeWjN7lzhF6yVNgF9Q4Z1Lug==";
    const OF_SHA256: &str = "ZpUPT2CjWgeFa5DqEK9OpASmmUIc7omeGJyyCZySbxyt1m6aPgXym1BXrE4wsfT/4On71OkvAjkxbTUOD+8NtOYboYUDX1Iw\
     rHsw3Ob1xe2utvvr6EgD7XJcECWJVRCTYX5AQ3kDG5ePFd+7wXw1ZoWkTI5BvcMb54SErDJsRyuz3IJ3L8a7WT+DR+cyFo9r\
     K6dHYTl8zDwPqHNaxXb0yrT1yJmT+SKZRe4b/pOGsm2K42QubXRMsL4mu1Rdk9Av+oDLJDGox8mYnu4NL1YC38If//9c5in7\
     Ns96Ju62eLoMlw5MB3UNU75hOnSKSJL5nGHP9oCAaBHQjYxqrWXiMA==";

    #[test]
    fn signatures_hold_for_their_message_and_hash() {
        let certificate = Certificate::from_pem(PEM).expect("a certificate");
        let (one, two) = (STANDARD.decode(OF_SHA1), STANDARD.decode(OF_SHA256));
        let (one, two) = (one.expect("base64"), two.expect("base64"));
        for (hash, message, signature, holds) in [
            (Hash::Sha1, MESSAGE, &one, true),
            (Hash::Sha256, MESSAGE, &two, true),
            (Hash::Sha1, MESSAGE, &two, false),
            (Hash::Sha256, MESSAGE, &one, false),
            (Hash::Sha256, b"Message\ntexts\n", &two, false),
            (Hash::Sha256, MESSAGE, &Vec::new(), false),
        ] {
            assert_eq!(certificate.verifies(hash, message, signature), holds, "{hash:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for pem in
            [&b""[..], b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            assert!(Certificate::from_pem(pem).is_none());
        }
    }
}
