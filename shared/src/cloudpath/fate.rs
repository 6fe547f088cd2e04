//! Whether a good row is imported, and with which expiry. The one place where `now` decides anything.

use jiff::Timestamp;

use super::change::{Change, Field, Reason};
use super::date::{renew, rfc3339};
use super::export::{ExportRow, Skip};
use super::fault::{Code, quote};
use super::options::{Expired, ImportOptions};

/// `Ok`: the expiry it gets, with the change if it is not the original one. `Err`: why it is left out.
///
/// A key whose status is not `ACTIVE` is left out: it does not work in Cloudpath today, and RUCKUS One would create
/// it working.
pub(super) fn fate(
    row: &ExportRow,
    options: &ImportOptions,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Change>), Skip> {
    if let Some(skip) = &row.skip {
        return Err((**skip).clone());
    }
    if let Some(status) = &row.status {
        let detail = format!("its status in Cloudpath is {}, not ACTIVE", quote(status));
        return Err(Skip {
            code: Code::NotActive,
            detail,
        });
    }
    let Some(expiry) = row.expires.filter(|expiry| *expiry <= now) else {
        return Ok((row.expires, None));
    };
    let from = Some(rfc3339(expiry));
    match options.expired {
        Expired::Import => Ok((
            None,
            Some(Change {
                field: Field::Expiry,
                from,
                to: None,
                reason: Reason::Expired,
            }),
        )),
        Expired::Skip => Err(Skip {
            code: Code::Expired,
            detail: format!("expired at {}", rfc3339(expiry)),
        }),
        Expired::Renew => match renew(expiry, now) {
            Some(renewed) => {
                let to = Some(rfc3339(renewed));
                Ok((
                    Some(renewed),
                    Some(Change {
                        field: Field::Expiry,
                        from,
                        to,
                        reason: Reason::Renewed,
                    }),
                ))
            }
            None => Err(Skip {
                code: Code::Expired,
                detail: "expired, and no year up to 9999 renews it".to_owned(),
            }),
        },
    }
}
