//! Agree on transactions with other organisations and serve the proven state.
