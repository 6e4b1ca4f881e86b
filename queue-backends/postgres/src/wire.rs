//! Values as PostgreSQL sends them, where the driver's own types would be slower or know fewer moments.

use skep_queue::{Mask, Timestamp};
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
    types::time::OffsetDateTime,
};

/// From 1970 to 2000, in microseconds: where PostgreSQL begins to count.
const EPOCH: i64 = 946_684_800_000_000;

/// A `timestamptz`, infinity included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// A `bit varying`: the first bit is the member 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Members(pub(crate) Mask);

/// A mask as a parameter: text, up to the last member.
pub(crate) fn members(mask: Mask) -> String {
    let mut text = String::with_capacity(8);
    for ordinal in mask.iter() {
        text.extend(std::iter::repeat_n('0', usize::from(ordinal) - text.len()));
        text.push('1');
    }
    text
}

// === impl Moment ===

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Moment {
    fn array_type_info() -> PgTypeInfo {
        OffsetDateTime::array_type_info()
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0.micros().saturating_sub(EPOCH), buffer)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH))))
    }
}

// === impl Members ===

impl Decode<'_, Postgres> for Members {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let bytes = value.as_bytes()?;
        let (length, bits) = bytes.split_first_chunk().ok_or("a mask without a length")?;
        if u32::from_be_bytes(*length) > 128 || bits.len() > 16 {
            return Err("a mask of more than 128 members".into());
        }
        let mut whole = [0; 16];
        whole[..bits.len()].copy_from_slice(bits);
        let mask = u128::from_be_bytes(whole).reverse_bits();
        Ok(Self(Mask::from((((mask >> 64) as u64), mask as u64))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_travels_up_to_its_last_member() {
        assert_eq!(members(Mask::EMPTY), "");
        assert_eq!(members(Mask::first(3)), "111");
        assert_eq!(members(Mask::one(4) | Mask::one(1)), "01001");
        assert_eq!(members(Mask::first(128)).len(), 128);
    }
}
