//! Blobs in Redis: zstd JSON, readable by hand with `redis-cli --raw HGET … | head -c -1 | zstd -dc`.
//!
//! The first bytes tell the form (`[` or `{`: plain JSON, `28 B5 2F FD`: zstd), so small ones stay plain.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Below this many bytes compression gains nothing worth a look-up by hand being harder.
const COMPRESS_FROM_BYTES: usize = 256;
/// zstd level: 3 packs outcome lists to about half of plain JSON's size at over 100 MB/s.
const LEVEL: i32 = 3;
/// A blob never unpacks to more than this: a damaged or hostile one can't eat the memory.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("blob does not unpack: {0}")]
    Unpack(#[from] std::io::Error),
    #[error("blob is not the JSON expected: {0}")]
    Json(#[from] serde_json::Error),
}

pub fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, BlobError> {
    let json = serde_json::to_vec(value)?;
    if json.len() < COMPRESS_FROM_BYTES {
        return Ok(json);
    }
    Ok(zstd::bulk::compress(&json, LEVEL)?)
}

pub fn unpack<T: DeserializeOwned>(blob: &[u8]) -> Result<T, BlobError> {
    Ok(serde_json::from_slice(&unpack_bytes(blob)?)?)
}

/// The JSON text of a blob.
pub fn unpack_bytes(blob: &[u8]) -> Result<Vec<u8>, BlobError> {
    if !blob.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        return Ok(blob.to_vec());
    }
    let mut out = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(blob)?;
    let n = std::io::Read::read_to_end(
        &mut std::io::Read::take(decoder, UNPACKED_BYTES_MAX as u64 + 1),
        &mut out,
    )?;
    if n > UNPACKED_BYTES_MAX {
        return Err(BlobError::Unpack(std::io::Error::other("unpacks to more than 64 MiB")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_stays_readable_and_large_shrinks() {
        assert_eq!(pack(&[1, 2]).unwrap(), b"[1,2]");
        let rows: Vec<String> = (0..1000).map(|i| format!("user-{i}")).collect();
        let packed = pack(&rows).unwrap();
        assert!(packed.len() < 4_000, "{}", packed.len());
        assert_eq!(unpack::<Vec<String>>(&packed).unwrap(), rows);
        assert!(unpack::<Vec<String>>(&packed[..packed.len() - 3]).is_err());
    }
}
