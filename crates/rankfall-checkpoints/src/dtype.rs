//! The types of numbers that checkpoints hold, and their values as doubles.

use half::{bf16, f16};

/// The type of the numbers of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Double precision.
    F64,
    /// Single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single-precision number.
    Bf16,
    /// Eight bits with four of exponent, without infinities (`e4m3fn`).
    F8E4m3,
    /// Eight bits with five of exponent.
    F8E5m2,
    /// A signed or unsigned whole number of so many bytes.
    Int {
        /// Bytes of each: 1, 2, 4 or 8.
        bytes: u8,
        /// Whether it can be negative.
        signed: bool,
    },
    /// A truth value in a byte.
    Bool,
    /// Two numbers of half the size each: 8 or 16 bytes together.
    Complex {
        /// Bytes of each pair.
        bytes: u8,
    },
    /// A type that is listed by its name and not read, such as a quantised one.
    Other(String),
}

impl Dtype {
    /// Its name, as PyTorch and safetensors users know it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::F64 => "f64".into(),
            Self::F32 => "f32".into(),
            Self::F16 => "f16".into(),
            Self::Bf16 => "bf16".into(),
            Self::F8E4m3 => "f8_e4m3".into(),
            Self::F8E5m2 => "f8_e5m2".into(),
            Self::Int { bytes, signed } => {
                format!("{}{}", if *signed { 'i' } else { 'u' }, 8 * bytes)
            }
            Self::Bool => "bool".into(),
            Self::Complex { bytes } => format!("complex{}", 8 * u32::from(*bytes)),
            Self::Other(name) => name.clone(),
        }
    }

    /// Bytes of each number; `None` for a type that is not known.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::F64 => Some(8),
            Self::F32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::F8E4m3 | Self::F8E5m2 | Self::Bool => Some(1),
            Self::Int { bytes, .. } | Self::Complex { bytes } => Some(usize::from(*bytes)),
            Self::Other(_) => None,
        }
    }

    /// The distance of 1 to the next larger number of a floating type; `None` for all others.
    #[must_use]
    pub fn epsilon(&self) -> Option<f64> {
        match self {
            Self::F64 => Some(f64::EPSILON),
            Self::F32 => Some(f64::from(f32::EPSILON)),
            Self::F16 => Some(2f64.powi(-10)),
            Self::Bf16 => Some(2f64.powi(-7)),
            Self::F8E4m3 => Some(2f64.powi(-3)),
            Self::F8E5m2 => Some(2f64.powi(-2)),
            _ => None,
        }
    }

    /// Values of little-endian `bytes`, one for each place of `out`; for types that are not
    /// floating, NaN. Every value is exact. `bytes` are `size()` times as many as `out`.
    pub(crate) fn decode(&self, bytes: &[u8], out: &mut [f64]) {
        match self {
            Self::F64 => each(bytes, out, f64::from_le_bytes),
            Self::F32 => each(bytes, out, |raw| f64::from(f32::from_le_bytes(raw))),
            Self::F16 => each(bytes, out, |raw| f16::from_le_bytes(raw).to_f64()),
            Self::Bf16 => each(bytes, out, |raw| bf16::from_le_bytes(raw).to_f64()),
            Self::F8E4m3 => each(bytes, out, |[byte]| e4m3(byte)),
            // The upper byte of a half-precision number.
            Self::F8E5m2 => each(bytes, out, |[byte]| {
                f16::from_bits(u16::from(byte) << 8).to_f64()
            }),
            _ => out.fill(f64::NAN),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f64], number: impl Fn([u8; N]) -> f64) {
    for (out, raw) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = number(*raw);
    }
}

/// A sign, four bits of exponent around 7, three of fraction; all ones is NaN.
fn e4m3(byte: u8) -> f64 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(byte & 7) / 8.0;
    match (byte >> 3) & 15 {
        15 if byte & 7 == 7 => f64::NAN,
        0 => sign * fraction * 2f64.powi(-6),
        exponent => sign * (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(dtype: &Dtype, bytes: &[u8]) -> f64 {
        let mut out = [0.0];
        dtype.decode(bytes, &mut out);
        out[0]
    }

    #[test]
    fn numbers_of_eight_bits_are_those_of_their_tables() {
        let e4m3 = |byte| one(&Dtype::F8E4m3, &[byte]);
        assert_eq!(
            [e4m3(0x38), e4m3(0xb8), e4m3(0x7e), e4m3(0x01)],
            [1.0, -1.0, 448.0, 2f64.powi(-9)]
        );
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        let e5m2 = |byte| one(&Dtype::F8E5m2, &[byte]);
        assert_eq!(
            [e5m2(0x3c), e5m2(0x7b), e5m2(0x01)],
            [1.0, 57344.0, 2f64.powi(-16)]
        );
        assert!(e5m2(0x7c).is_infinite() && e5m2(0x7d).is_nan());
    }

    #[test]
    fn halves_are_exact() {
        assert_eq!(
            one(&Dtype::F16, &0x3555u16.to_le_bytes()),
            0.333_251_953_125
        );
        assert_eq!(one(&Dtype::Bf16, &0x3eabu16.to_le_bytes()), 0.333_984_375);
        assert_eq!(one(&Dtype::F64, &(0.1f64).to_le_bytes()), 0.1);
        assert!(one(&Dtype::Bool, &[1]).is_nan());
    }
}
