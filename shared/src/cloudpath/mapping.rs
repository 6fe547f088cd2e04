//! From a judged export to the plan of an import. The table at the head of [`super`] says what becomes of what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use super::change::{Change, Field, Reason};
use super::date;
use super::export::{CloudpathPool, Export, ExportRow};
use super::facts::Facts;
use super::fate::fate;
use super::limits::{MAX_DEVICES, MAX_NAME, MAX_POOL_NAME};
use super::names::{Wanted, fit};
use super::networks::networks;
use super::options::ImportOptions;
use super::policies::{Policies, Suffixes, Users, policies};
use super::spec::{ExpirationType, GroupSpec, ImportPlan, PoolExpiration, PoolSpec, Row, Totals};
use crate::secret::SecretString;

/// Cloudpath pool, and VLAN where there is one pool per VLAN.
pub(super) type Target = (u16, Option<u16>);

/// Maps rows one by one, once the plan stands; so that 100,000 of them never exist twice.
#[derive(Debug, Clone)]
pub struct Mapper {
    options: ImportOptions,
    now: Timestamp,
    pools: BTreeMap<Target, u16>,
}

/// Makes the plan, and what maps the rows to it. Pure: the same export, options and `now` give the same plan; and
/// what is compared with RUCKUS One (names, descriptions, settings) does not depend on `now` at all, but for
/// expiries that pass between two runs.
pub fn plan(export: &Export, options: &ImportOptions, now: Timestamp) -> (ImportPlan, Mapper) {
    let mut mapper = Mapper {
        options: options.clone(),
        now,
        pools: BTreeMap::new(),
    };
    let mut totals = Totals::default();
    let mut facts: BTreeMap<Target, Facts> = BTreeMap::new();
    let mut suffixes: BTreeMap<Target, Suffixes> = BTreeMap::new();
    for row in &export.rows {
        let record = mapper.record(row);
        totals.rows += 1;
        for change in &record.changes {
            *totals.changes_by_reason.entry(change.reason).or_default() += 1;
        }
        match (&record.skip, &row.secret) {
            (Some(skip), _) => {
                totals.skips += 1;
                *totals.skips_by_code.entry(skip.code).or_default() += 1;
            }
            (None, secret) => {
                totals.imports += 1;
                let passphrase = secret.as_ref().map_or("", SecretString::expose);
                facts
                    .entry(mapper.target(row))
                    .or_default()
                    .add(passphrase, record.devices);
                if options.include_adaptive_policy_sets {
                    suffixes.entry(mapper.target(row)).or_default().add(row);
                }
            }
        }
    }
    mapper.pools = facts.keys().zip(0..).map(|(target, index)| (*target, index)).collect();
    let (groups, pools) = specs(export, &facts, options, now);
    let Policies {
        policies,
        sets,
        warnings: of_policies,
    } = policies_of(export, &suffixes, &groups, options);
    let sources: Vec<u16> = facts.keys().map(|(pool, _)| *pool).collect();
    let of_networks = networks(&export.pools, &sources, options);
    let mut warnings = warnings(export, &facts);
    warnings.extend(of_policies.into_iter().chain(of_networks.warnings));
    (
        ImportPlan {
            groups,
            pools,
            policies,
            policy_sets: sets,
            networks: of_networks.networks,
            warnings,
            totals,
        },
        mapper,
    )
}

/// `groups` and `suffixes` are in the order of the planned pools; without policies there are no suffixes.
fn policies_of(
    export: &Export,
    suffixes: &BTreeMap<Target, Suffixes>,
    groups: &[GroupSpec],
    options: &ImportOptions,
) -> Policies {
    let is_only_pool = export.pools.len() == 1;
    let source = |pool: u16| &export.pools[usize::from(pool)];
    let names: Vec<_> = suffixes
        .keys()
        .map(|&(pool, vlan)| wanted_names(source(pool), vlan, options.group_by_vlan, is_only_pool).1)
        .collect();
    let users: Vec<_> = (suffixes.iter().zip(groups).zip(&names))
        .map(|(((&(pool, _), suffixes), group), name)| Users {
            pool: group.index,
            pool_name: name,
            description: &group.description,
            source: source(pool),
            suffixes,
        })
        .collect();
    policies(&users)
}

impl Mapper {
    /// For rows of an import that is planned already; `pools` as it was.
    pub(super) fn onto(options: ImportOptions, now: Timestamp, pools: BTreeMap<Target, u16>) -> Self {
        Self { options, now, pools }
    }

    /// The record of a row, and its passphrase. A skipped row's is empty: what is not imported is not kept.
    pub fn map(&self, row: ExportRow) -> (Row, SecretString) {
        let record = self.record(&row);
        let secret = row.secret.filter(|_| record.skip.is_none());
        (record, secret.unwrap_or_else(|| SecretString::new("")))
    }

    pub(super) fn target(&self, row: &ExportRow) -> Target {
        (row.pool, row.vlan.filter(|_| self.options.group_by_vlan))
    }

    fn record(&self, row: &ExportRow) -> Row {
        let mut changes = Vec::new();
        let username = row.username().into_owned();
        if row.name.trim().is_empty() {
            changes.push(Change::new(Field::Name, None, Some(username.clone()), Reason::NoName));
        } else if *row.name != *username {
            let from = Some(row.name.to_string());
            changes.push(Change::new(Field::Name, from, Some(username.clone()), Reason::Trimmed));
        }
        let devices = row.device_limit.map(|limit| match u16::try_from(limit) {
            Ok(limit) if limit <= MAX_DEVICES => limit,
            _ => {
                let (from, to) = (Some(limit.to_string()), Some(MAX_DEVICES.to_string()));
                changes.push(Change::new(Field::DeviceLimit, from, to, Reason::DevicesClamped));
                MAX_DEVICES
            }
        });
        if row.has_ssids {
            let reason = match self.options.just_copy_dpsks {
                true => Reason::SsidsKeptAsInfo,
                false => Reason::SsidsOfPool,
            };
            changes.push(Change::dropped(Field::Ssids, reason));
        }
        let (expires, skip) = match fate(row, &self.options, self.now) {
            Ok((expires, change)) => {
                changes.extend(change);
                (expires, None)
            }
            Err(skip) => {
                // Nothing is changed in what is not imported.
                changes.clear();
                (row.expires, Some(skip))
            }
        };
        Row {
            row: row.row,
            pool: self.pools.get(&self.target(row)).copied(),
            guid: row.guid.to_string(),
            username,
            vlan: row.vlan,
            devices,
            expires: expires.map(date::rfc3339),
            skip,
            changes,
        }
    }
}

fn specs(
    export: &Export,
    facts: &BTreeMap<Target, Facts>,
    options: &ImportOptions,
    now: Timestamp,
) -> (Vec<GroupSpec>, Vec<PoolSpec>) {
    let is_only_pool = export.pools.len() == 1;
    let (mut group_names, mut pool_names) = (Vec::new(), Vec::new());
    for &(pool, vlan) in facts.keys() {
        let pool = &export.pools[usize::from(pool)];
        let (group, name) = wanted_names(pool, vlan, options.group_by_vlan, is_only_pool);
        group_names.push(Wanted {
            name: group,
            salt: pool.guid.to_string(),
        });
        pool_names.push(Wanted {
            name,
            salt: pool.guid.to_string(),
        });
    }
    let fitted = fit(&group_names, MAX_NAME)
        .into_iter()
        .zip(fit(&pool_names, MAX_POOL_NAME));
    let (mut groups, mut pools) = (Vec::new(), Vec::new());
    let mut last_pool = None;
    for (index, ((&(source, vlan), facts), ((group, group_reason), (name, reason)))) in
        (0..).zip(facts.iter().zip(fitted))
    {
        let pool = &export.pools[usize::from(source)];
        let mut changes = Vec::new();
        let wanted = [
            (Field::GroupName, &group_names, &group, group_reason),
            (Field::PoolName, &pool_names, &name, reason),
        ];
        for (field, wanted, given, reason) in wanted {
            if let Some(reason) = reason {
                let from = Some(wanted[usize::from(index)].name.clone());
                changes.push(Change::new(field, from, Some(given.clone()), reason));
            }
        }
        let (expiration, change) = expiration(pool, now);
        // What concerns the Cloudpath pool as a whole is said once, at the first pool made of it.
        if last_pool.replace(source) != Some(source) {
            changes.extend(change);
            changes.extend(pool_changes(pool, facts, options));
        }
        groups.push(GroupSpec {
            index,
            name: group,
            description: description(pool, vlan, options.group_by_vlan),
        });
        pools.push(PoolSpec {
            index,
            group: index,
            name,
            passphrase_format: facts.format(),
            passphrase_length: facts.length(),
            device_count_limit: facts.devices(),
            expiration,
            policy_default_access: options.include_adaptive_policy_sets.then(|| lets_in(pool)),
            cloudpath_guid: pool.guid.to_string(),
            passphrases: facts.passphrases,
            changes,
        });
    }
    (groups, pools)
}

/// The full names of group and pool, before they are fitted.
fn wanted_names(pool: &CloudpathPool, vlan: Option<u16>, by_vlan: bool, is_only_pool: bool) -> (String, String) {
    let display = &pool.display_name;
    let vlan = vlan.map_or("No VLAN".to_owned(), |vlan| format!("VLAN {vlan}"));
    match (by_vlan, display.is_empty()) {
        (false, true) => ("Cloudpath Import".to_owned(), "Cloudpath DPSKs".to_owned()),
        (false, false) => (format!("{display}-IDG"), format!("{display}-DPSK")),
        (true, _) if is_only_pool => (vlan.clone(), format!("{vlan} - Cloudpath DPSKs")),
        (true, _) => (format!("{vlan} - {display}"), format!("{vlan} - {display}-DPSK")),
    }
}

fn description(pool: &CloudpathPool, vlan: Option<u16>, by_vlan: bool) -> String {
    let source = match &*pool.guid {
        "" => "Imported from Cloudpath".to_owned(),
        guid => format!("Imported from Cloudpath pool {guid}"),
    };
    match (by_vlan, vlan) {
        (false, _) => source,
        (true, Some(vlan)) => format!("{source}, VLAN {vlan}"),
        (true, None) => format!("{source}, no VLAN"),
    }
}

/// Whether Cloudpath lets in whom no policy answers. Without policies of its own it let everybody in.
fn lets_in(pool: &CloudpathPool) -> bool {
    let rejects = |access: &str| access.eq_ignore_ascii_case("REJECT");
    !(pool.supports_policies && pool.default_access.as_deref().is_some_and(rejects))
}

fn pool_changes(pool: &CloudpathPool, facts: &Facts, options: &ImportOptions) -> Vec<Change> {
    let mut changes = Vec::new();
    let length = i64::from(facts.length());
    if let Some(default) = pool.phrase_default_length.filter(|default| *default != length) {
        let (from, to) = (Some(default.to_string()), Some(length.to_string()));
        changes.push(Change::new(Field::PhraseLength, from, to, Reason::ShortestPassphrase));
    }
    if pool.enforces_device_limit {
        let (there, given) = (pool.device_limit, facts.devices());
        let from = there.map(|limit| limit.to_string());
        match given {
            None => changes.push(Change::new(Field::DeviceLimit, from, None, Reason::PoolLimitNotPerKey)),
            Some(given) if there != Some(given.into()) => {
                let to = Some(given.to_string());
                changes.push(Change::new(Field::DeviceLimit, from, to, Reason::HighestLimit));
            }
            Some(_) => {}
        }
    }
    if pool.has_description {
        changes.push(Change::dropped(Field::Description, Reason::NoDescriptionField));
    }
    if pool.supports_policies && !options.include_adaptive_policy_sets {
        let from = pool.default_access.as_deref().map(str::to_owned);
        changes.push(Change::new(Field::Policies, from, None, Reason::PoliciesNotImported));
    }
    if pool.is_disabled {
        changes.push(Change::new(
            Field::Enabled,
            Some("false".to_owned()),
            None,
            Reason::NothingDisabled,
        ));
    }
    changes
}

/// The pool's rule for keys made later. It does not touch the imported ones, hence a rule RUCKUS One does not know is
/// dropped with its reason and does not refuse the import.
fn expiration(pool: &CloudpathPool, now: Timestamp) -> (Option<PoolExpiration>, Option<Change>) {
    if !pool.enforces_expiration {
        return (None, None);
    }
    let kind = pool.expiration_type.as_deref().unwrap_or_default();
    let value = pool.expiration_value.as_deref().unwrap_or_default();
    let dropped = |reason| {
        let from = Some(format!("{kind} {value}").trim().to_owned()).filter(|from| !from.is_empty());
        (None, Some(Change::new(Field::PoolExpiration, from, None, reason)))
    };
    match ExpirationType::deserialize(StrDeserializer::<Error>::new(kind)) {
        Err(_) => dropped(Reason::ExpirationUnknown),
        Ok(kind @ ExpirationType::SpecifiedDate) => match date::parse(value) {
            None => dropped(Reason::ExpirationUnknown),
            Some(date) if date <= now => dropped(Reason::ExpirationPast),
            Some(date) => {
                let date = Some(date::rfc3339(date));
                (
                    Some(PoolExpiration {
                        kind,
                        offset: None,
                        date,
                    }),
                    None,
                )
            }
        },
        // RUCKUS One's offset is a 32-bit signed integer.
        Ok(kind) => match value.parse::<u32>() {
            Ok(offset) if (1..=i32::MAX as u32).contains(&offset) => (
                Some(PoolExpiration {
                    kind,
                    offset: Some(offset),
                    date: None,
                }),
                None,
            ),
            _ => dropped(Reason::ExpirationUnknown),
        },
    }
}

fn warnings(export: &Export, facts: &BTreeMap<Target, Facts>) -> Vec<String> {
    let used: std::collections::BTreeSet<u16> = facts.keys().map(|(pool, _)| *pool).collect();
    let pools = || (0..).zip(&export.pools);
    let unused = pools().filter(|(index, _)| !used.contains(index));
    let unused = unused.map(|(_, pool)| match &*pool.display_name {
        "" => "no key can be imported: nothing is created".to_owned(),
        name => format!(
            "pool {name:?} ({}) has no key to import: nothing is created for it",
            pool.guid
        ),
    });
    let disabled = pools().filter(|(index, pool)| pool.is_disabled && used.contains(index));
    let disabled = disabled.map(|(_, pool)| {
        format!(
            "pool {:?} ({}) is disabled in the export, and RUCKUS One has no disabled pools: its keys work as soon as a network uses it",
            pool.display_name, pool.guid
        )
    });
    unused.chain(disabled).collect()
}
