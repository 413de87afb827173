//! MITRE ATLAS as facts.
