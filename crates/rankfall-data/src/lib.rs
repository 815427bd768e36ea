//! Data readers, streamed into Gram matrices.
