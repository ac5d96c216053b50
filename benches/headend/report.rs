//! The figures as a table and as JSON.

use std::path::Path;

use serde::Serialize;

/// One figure beside what it is to be held against.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) reference: f64,
    pub(crate) reference_name: &'static str,
}

/// Prints the table.
pub(crate) fn print(figures: &[Figure]) {
    println!(
        "{:<20}{:>10} {:<17}{:>10}{:>8}  reference",
        "", "value", "unit", "reference", "ratio"
    );
    for figure in figures {
        let Figure {
            name,
            value,
            unit,
            reference,
            reference_name,
        } = figure;
        let ratio = value / reference;
        println!(
            "{name:<20}{value:>10.0} {unit:<17}{reference:>10.0}{ratio:>8.2}  {reference_name}"
        );
    }
}

/// Writes `bench.json` into cargo's target folder.
pub(crate) fn write(figures: &[Figure]) {
    // Cargo's folder for the temporary files of tests lies directly in the target folder.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("bench.json");
    std::fs::write(&path, serde_json::to_vec_pretty(figures).unwrap()).unwrap();
    println!("written to {}", path.display());
}
