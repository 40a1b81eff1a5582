//! What a timeline has lived through, in numbers.

use super::doors::Door;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub days: u64,
    pub acts: BTreeMap<String, u64>,
    pub faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn act(&mut self, verb: &str, door: &Door, befell: bool) {
        *self.acts.entry(verb.to_owned()).or_default() += 1;
        if befell && *door != Door::Open {
            self.fault(door.name());
        }
    }

    pub fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.days += other.days;
        for (verb, count) in &other.acts {
            *self.acts.entry(verb.clone()).or_default() += count;
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |names: Vec<String>| names.join(", ");
        let acts: u64 = self.acts.values().sum();
        let faults: u64 = self.faults.values().sum();
        writeln!(f, "{} days, {acts} acts, {faults} faults", self.days)?;
        writeln!(f, "acts: {}", listed(self.acts.iter().map(|(verb, n)| format!("{verb} {n}")).collect()))?;
        write!(f, "faults: {}", listed(self.faults.iter().map(|(fault, n)| format!("{fault} {n}")).collect()))
    }
}
