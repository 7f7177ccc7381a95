//! Let devices log in and exchange messages over MQTT, as the ledger says.
