//! Secret fields at rest: XChaCha20-Poly1305 boxes, bound to the place they belong to.
//!
//! One box per batch holds the whole secret column. The associated data names job, phase and batch, so that a box copied to
//! another place does not open. Layout: key id (4 bytes: start of the key's SHA-256), nonce (24 random bytes), ciphertext.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::secret::SecretString;

const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// Seals with the first key, opens with any: so that keys can be rotated.
#[derive(Clone)]
pub struct Sealer {
    keys: Vec<([u8; KEY_ID_BYTES], XChaCha20Poly1305)>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("no key")]
    NoKey,
    #[error("key {0} is not 32 bytes in base64; `phaseline-api keygen` makes one")]
    BadKey(usize),
    #[error("sealed with a key that PAYLOAD_KEY does not hold")]
    UnknownKey,
    #[error("does not open: damaged, or moved from another place")]
    Damaged,
    #[error("could not be sealed")]
    Failed,
}

impl Sealer {
    /// `keys`: base64, 32 bytes each; comma or newline between several. The first one seals.
    pub fn from_base64(keys: &str) -> Result<Self, SealError> {
        let mut out = Vec::new();
        for (i, text) in keys
            .split([',', '\n'])
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .enumerate()
        {
            let bytes = zeroize::Zeroizing::new(STANDARD.decode(text).map_err(|_| SealError::BadKey(i + 1))?);
            let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::BadKey(i + 1))?;
            let digest = Sha256::digest(key);
            let id = [digest[0], digest[1], digest[2], digest[3]];
            out.push((id, XChaCha20Poly1305::new(&Key::from(key))));
        }
        if out.is_empty() {
            Err(SealError::NoKey)
        } else {
            Ok(Sealer { keys: out })
        }
    }

    /// Ids of the keys, the one that seals first: hexadecimal, as they stand at the start of every box. Not secret: 32 of the 256
    /// bits of a digest of 256 random bits.
    pub fn key_ids(&self) -> Vec<String> {
        let hex = |id: &[u8; KEY_ID_BYTES]| id.iter().map(|b| format!("{b:02x}")).collect();
        self.keys.iter().map(|(id, _)| hex(id)).collect()
    }

    /// A fresh key in base64.
    pub fn generate_key() -> String {
        STANDARD.encode(rand::random::<[u8; 32]>())
    }

    /// `place` is the associated data, e.g. `job|phase|batch`.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, cipher) = &self.keys[0];
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let boxed = cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: place.as_bytes(),
                },
            )
            .map_err(|_| SealError::Failed)?;
        let mut out = Vec::with_capacity(KEY_ID_BYTES + NONCE_BYTES + boxed.len());
        out.extend_from_slice(id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&boxed);
        Ok(out)
    }

    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_BYTES).ok_or(SealError::Damaged)?;
        let (nonce, boxed) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Damaged)?;
        let (_, cipher) = self.keys.iter().find(|(k, _)| k == id).ok_or(SealError::UnknownKey)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| SealError::Damaged)?;
        cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: boxed,
                    aad: place.as_bytes(),
                },
            )
            .map(zeroize::Zeroizing::new)
            .map_err(|_| SealError::Damaged)
    }

    /// [`Sealer::seal`] as text, for where a box stands inside JSON.
    pub fn seal_text(&self, place: &str, plain: &str) -> Result<String, SealError> {
        Ok(STANDARD.encode(self.seal(place, plain.as_bytes())?))
    }

    /// Opens what [`Sealer::seal_text`] made.
    pub fn open_text(&self, place: &str, sealed: &str) -> Result<zeroize::Zeroizing<String>, SealError> {
        let plain = self.open(place, &STANDARD.decode(sealed).map_err(|_| SealError::Damaged)?)?;
        let text = std::str::from_utf8(&plain).map_err(|_| SealError::Damaged)?;
        Ok(zeroize::Zeroizing::new(text.to_owned()))
    }

    /// Seals the secret column of a batch or chunk: one entry per row, in order. Nothing to seal gives nothing.
    pub fn seal_column(&self, place: &str, secrets: &[Option<SecretString>]) -> Result<Vec<u8>, SealError> {
        if secrets.iter().all(Option::is_none) {
            return Ok(Vec::new());
        }
        let plain: Vec<Option<&str>> = secrets.iter().map(|s| s.as_ref().map(SecretString::expose)).collect();
        let json = zeroize::Zeroizing::new(serde_json::to_vec(&plain).map_err(|_| SealError::Failed)?);
        self.seal(place, &json)
    }

    /// Opens what [`Sealer::seal_column`] made; `rows` entries, none where nothing was sealed.
    pub fn open_column(&self, place: &str, sealed: &[u8], rows: usize) -> Result<Vec<Option<SecretString>>, SealError> {
        if sealed.is_empty() {
            return Ok(vec![None; rows]);
        }
        let plain = self.open(place, sealed)?;
        let column: Vec<Option<SecretString>> = serde_json::from_slice(&plain).map_err(|_| SealError::Damaged)?;
        if column.len() == rows {
            Ok(column)
        } else {
            Err(SealError::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_comes_back_row_by_row() {
        let s = Sealer::from_base64(&Sealer::generate_key()).unwrap();
        let column = vec![
            Some(SecretString::from("first")),
            None,
            Some(SecretString::from("third")),
        ];
        let sealed = s.seal_column("j|p|0", &column).unwrap();
        assert_eq!(s.open_column("j|p|0", &sealed, 3).unwrap(), column);
        assert_eq!(s.open_column("j|p|0", &sealed, 4), Err(SealError::Damaged));
        assert!(s.seal_column("j|p|0", &[None, None]).unwrap().is_empty());
    }

    #[test]
    fn opens_only_in_its_place_and_whole() {
        let s = Sealer::from_base64(&Sealer::generate_key()).unwrap();
        let sealed = s.seal("job|phase|0", b"correct horse").unwrap();
        assert_eq!(s.open("job|phase|0", &sealed).unwrap().as_slice(), b"correct horse");
        assert_eq!(s.open("job|phase|1", &sealed), Err(SealError::Damaged));
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(s.open("job|phase|0", &bad).is_err(), "byte {i}");
            assert!(s.open("job|phase|0", &sealed[..i]).is_err());
        }
        assert!(!sealed.windows(7).any(|w| w == b"correct"));
    }

    #[test]
    fn an_old_key_still_opens_after_rotation() {
        let (old, new) = (Sealer::generate_key(), Sealer::generate_key());
        let sealed = Sealer::from_base64(&old).unwrap().seal("p", b"x").unwrap();
        let rotated = Sealer::from_base64(&format!("{new},{old}")).unwrap();
        assert_eq!(rotated.open("p", &sealed).unwrap().as_slice(), b"x");
        assert_eq!(
            Sealer::from_base64(&new).unwrap().open("p", &sealed),
            Err(SealError::UnknownKey)
        );
    }

    #[test]
    fn a_bad_key_is_named() {
        assert_eq!(Sealer::from_base64("").unwrap_err(), SealError::NoKey);
        assert_eq!(Sealer::from_base64("abc").unwrap_err(), SealError::BadKey(1));
    }
}
