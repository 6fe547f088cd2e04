//! Values of an export, which people and programs write in several ways. The schemas tell what is taken; see `shared::cloudpath`.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

macro_rules! scalar {
    ($($(#[doc = $doc:literal])+ $name:ident as $shown:literal: $schema:expr;)*) => {$(
        $(#[doc = $doc])+
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: fn(String) -> RefOr<Schema> = $schema;
                schema([$($doc.trim()),+].join(" "))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $shown.into()
            }
        }
    )*};
}

fn string(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn either(description: String, kinds: Vec<ObjectBuilder>, examples: Vec<Value>) -> RefOr<Schema> {
    let choice = AnyOfBuilder::new().description(Some(description)).examples(examples);
    let choice = kinds.into_iter().fold(choice, AnyOfBuilder::item);
    Schema::AnyOf(choice.build()).into()
}

scalar! {
    /// Text without control characters; a whole number is taken as it is written.
    Guid as "CloudpathGuid": |d| either(
        d,
        vec![of(Type::String).min_length(Some(1)).max_length(Some(128)), of(Type::Integer).minimum(Some(0))],
        vec![json!("AccountDpsk-101")],
    );
    /// 1 to 255 characters (UTF-16) without control characters; a whole number is taken as it is written.
    Title as "CloudpathTitle": |d| either(
        d,
        vec![of(Type::String).min_length(Some(1)).max_length(Some(255)), of(Type::Integer).minimum(Some(0))],
        vec![json!("Harbour View Residents")],
    );
    /// At most 255 characters (UTF-16) without control characters; a whole number is taken as it is written.
    Name as "CloudpathName": |d| either(
        d,
        vec![of(Type::String).max_length(Some(255)), of(Type::Integer).minimum(Some(0))],
        vec![json!("unit101")],
    );
    /// `true` or `false`, also as text.
    Flag as "CloudpathFlag": |d| either(
        d,
        vec![of(Type::Boolean), string(r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?\s*$")],
        vec![json!(true)],
    );
    /// A whole number, also as text.
    Whole as "CloudpathNumber": |d| either(
        d,
        vec![
            of(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))),
            string(r"^\s*([+-]?[0-9]{1,18})?\s*$"),
        ],
        vec![json!(5)],
    );
    /// 1 to 4094, also as text; empty or null: none.
    Vlan as "CloudpathVlan": |d| either(
        d,
        vec![
            of(Type::Integer).minimum(Some(1)).maximum(Some(4094)),
            string(r"^\s*([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])?\s*$"),
        ],
        vec![json!("101"), json!(101)],
    );
    /// Text that only informs; anything but a text or a number counts as absent.
    Info as "CloudpathInfo": |d| ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some(d))
        .examples([json!("MONTHS_AFTER_TIME")])
        .into();
    /// A list of SSIDs; anything else counts as absent.
    Ssids as "CloudpathSsids": |d| ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some(d))
        .examples([json!(["HarbourView"])])
        .into();
}
