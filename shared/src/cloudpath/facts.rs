//! What the keys of one pool have in common, gathered row by row: it decides the pool's settings.

use super::limits::MAX_DEVICES;
use super::spec::PassphraseFormat;

#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub passphrases: u32,
    shortest: usize,
    has_letter: bool,
    has_symbol: bool,
    has_unlimited: bool,
    most_devices: u16,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            passphrases: 0,
            shortest: usize::MAX,
            has_letter: false,
            has_symbol: false,
            has_unlimited: false,
            most_devices: 0,
        }
    }
}

impl Facts {
    /// Counts one key to be imported.
    pub fn add(&mut self, passphrase: &str, devices: Option<u16>) {
        self.passphrases += 1;
        self.shortest = self.shortest.min(passphrase.len());
        for byte in passphrase.bytes() {
            self.has_letter |= byte.is_ascii_alphabetic();
            self.has_symbol |= !byte.is_ascii_alphanumeric();
        }
        match devices {
            Some(devices) => self.most_devices = self.most_devices.max(devices),
            None => self.has_unlimited = true,
        }
    }

    /// By content, not by Cloudpath's rule for new keys: the pool must take the keys that are there.
    pub fn format(&self) -> PassphraseFormat {
        match (self.has_symbol, self.has_letter) {
            (true, _) => PassphraseFormat::MostSecured,
            (false, true) => PassphraseFormat::KeyboardFriendly,
            (false, false) => PassphraseFormat::NumbersOnly,
        }
    }

    /// The shortest passphrase's length, 8–63.
    pub fn length(&self) -> u8 {
        self.shortest.clamp(8, 63) as u8
    }

    /// `None` = unlimited: one unlimited key needs an unlimited pool.
    pub fn devices(&self) -> Option<u16> {
        (!self.has_unlimited).then(|| self.most_devices.clamp(1, MAX_DEVICES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(keys: &[(&str, Option<u16>)]) -> Facts {
        let mut facts = Facts::default();
        keys.iter()
            .for_each(|(passphrase, devices)| facts.add(passphrase, *devices));
        facts
    }

    #[test]
    fn the_format_is_the_narrowest_that_takes_every_key() {
        assert_eq!(facts(&[("12345678", None)]).format(), PassphraseFormat::NumbersOnly);
        assert_eq!(
            facts(&[("12345678", None), ("abcdefgh", None)]).format(),
            PassphraseFormat::KeyboardFriendly
        );
        assert_eq!(facts(&[("12345!78", None)]).format(), PassphraseFormat::MostSecured);
        assert_eq!(
            facts(&[("12345 78", None), ("abcdefgh", None)]).format(),
            PassphraseFormat::MostSecured
        );
    }

    #[test]
    fn the_shortest_key_and_the_most_devices_decide() {
        let two = facts(&[("123456789", Some(3)), ("12345678901", Some(5))]);
        assert_eq!((two.length(), two.devices(), two.passphrases), (9, Some(5), 2));
        assert_eq!(facts(&[("123456789", Some(3)), ("12345678901", None)]).devices(), None);
    }
}
