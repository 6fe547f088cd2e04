//! The forms a write's answer takes, and the conflicts it may meet.

use serde_json::json;

use super::*;
use crate::r1::Written;
use crate::r1::identity::{IdentityPatch, NewIdentityGroup};
use crate::r1::pool::{PassphraseFormat, PoolBody};
use crate::remote::CallError;

async fn group(status: u16, body: &'static str) -> Result<Written, CallError> {
    let server = serve(move |_| Act::json(status, body)).await;
    client(&server)
        .create_identity_group(
            Permit::unlimited(),
            &NewIdentityGroup {
                name: "g".into(),
                description: None,
            },
        )
        .await
}

#[tokio::test]
async fn accepted_and_done_in_every_form() {
    let accepted = |id: Option<&str>| Written::Accepted {
        request_id: "r-1".into(),
        resource_id: id.map(str::to_owned),
    };
    assert_eq!(group(202, r#"{"requestId":"r-1"}"#).await.unwrap(), accepted(None));
    assert_eq!(
        group(202, r#"{"requestId":"r-1","id":"g-1"}"#).await.unwrap(),
        accepted(Some("g-1"))
    );
    assert_eq!(
        group(202, r#"{"requestId":"r-1","response":{"id":"g-1","name":"g"}}"#)
            .await
            .unwrap(),
        accepted(Some("g-1"))
    );
    assert_eq!(
        group(202, r#""{\"requestId\":\"r-1\",\"id\":\"g-1\"}""#).await.unwrap(),
        accepted(Some("g-1"))
    );
    assert_eq!(group(202, r#""r-1""#).await.unwrap(), accepted(None));
    assert_eq!(
        group(201, r#"{"id":"g-1","name":"g"}"#).await.unwrap(),
        Written::Done { id: Some("g-1".into()) }
    );
    assert_eq!(group(200, "{}").await.unwrap(), Written::Done { id: None });
    assert_eq!(group(204, "").await.unwrap(), Written::Done { id: None });
    for bad in [
        "{}",
        "",
        "[]",
        "7",
        r#"{"requestId":""}"#,
        r#"{"requestId":5}"#,
        r#""not an id""#,
    ] {
        assert!(
            matches!(group(202, bad).await, Err(CallError::Malformed { write: true, .. })),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn conflicts_are_told_from_refusals() {
    let taken = r#"{"requestId":"r","errors":[{"code":"GENERAL-010","message":"exists"}]}"#;
    assert!(matches!(
        group(409, taken).await,
        Err(CallError::Conflict { uniqueness: true, .. })
    ));
    let name = r#"{"message":"Validation Error","subErrors":[{"object":"DPSK service","field":"name","message":"Name must be unique"}]}"#;
    assert!(matches!(
        group(400, name).await,
        Err(CallError::Conflict { uniqueness: true, .. })
    ));
    assert!(matches!(
        group(400, r#"{"code":"X-1","message":"too long"}"#).await,
        Err(CallError::Rejected { status: 400, .. })
    ));
}

#[tokio::test]
async fn pools_and_identities_are_written_where_they_belong() {
    let server = serve(|_| Act::json(202, r#"{"requestId":"r"}"#)).await;
    let r1 = client(&server);
    let pool = PoolBody {
        name: "Guests".into(),
        passphrase_format: PassphraseFormat::KeyboardFriendly,
        passphrase_length: 11,
        device_count_limit: Some(5),
        expiration_type: None,
        expiration_offset: None,
        expiration_date: None,
        policy_default_access: None,
        auto_notifications_enabled: None,
    };
    r1.create_pool(Permit::unlimited(), "g-1", &pool).await.unwrap();
    r1.update_pool(Permit::unlimited(), "p-1", &pool).await.unwrap();
    let patch = IdentityPatch {
        dpsk_passphrase: Some("abcdefgh".into()),
        vlan: Some(7),
        description: None,
    };
    r1.patch_identity(Permit::unlimited(), "g-1", "i-1", &patch)
        .await
        .unwrap();
    let seen: Vec<_> = server
        .calls()
        .iter()
        .map(|s| (s.method.clone(), s.target.clone(), s.json()))
        .collect();
    let body = json!({"name": "Guests", "passphraseFormat": "KEYBOARD_FRIENDLY", "passphraseLength": 11, "deviceCountLimit": 5});
    assert_eq!(
        seen,
        [
            ("POST".into(), "/identityGroups/g-1/dpskServices".into(), body.clone()),
            ("PUT".into(), "/dpskServices/p-1".into(), body),
            (
                "PATCH".into(),
                "/identityGroups/g-1/identities/i-1".into(),
                json!({"dpskPassphrase": "abcdefgh", "vlan": 7})
            ),
        ]
    );
    assert!(!format!("{patch:?}").contains("abcdefgh"));
}
