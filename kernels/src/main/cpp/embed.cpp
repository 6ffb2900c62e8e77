// SPDX-License-Identifier: Apache-2.0
// Rows of a stored table, by token id, as floats. The table is the mapped checkpoint itself.
#include "float4.h"
#include "float8.h"
#include "lanes.h"
#include "normal_float4.h"
#include "stored.h"
#include "stored_grid.h"

using namespace lockstep;

namespace {

template <typename T>
void copy_plain(const T* from, int64_t columns, float* out) {
  int64_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    store(out + c, load(from + c));
  }
  if (c < columns) {
    T rest[LANES] = {};
    memcpy(rest, from + c, (columns - c) * sizeof(T));
    store_first(out + c, load(rest), static_cast<int>(columns - c));
  }
}

// Blocks of 34 bytes: scale, 32 signed bytes.
void expand_q8_0(const uint8_t* block, int64_t columns, float* out) {
  for (int64_t c = 0; c < columns; c += 32, block += 34) {
    Lanes scale = broadcast(half_at(block));
    const int8_t* q = reinterpret_cast<const int8_t*>(block + 2);
    store(out + c, multiply(scale, load_signed_bytes(q)));
    store(out + c + LANES, multiply(scale, load_signed_bytes(q + LANES)));
  }
}

// Blocks of 20 bytes: scale, minimum, 32 nibbles, the low ones first.
void expand_q4_1(const uint8_t* block, int64_t columns, float* out) {
  for (int64_t c = 0; c < columns; c += 32, block += 20) {
    Lanes scale = broadcast(half_at(block));
    Lanes minimum = broadcast(half_at(block + 2));
    uint8_t q[32];
    split_nibbles(block + 4, q);
    const int8_t* values = reinterpret_cast<const int8_t*>(q);
    store(out + c, fma(scale, load_signed_bytes(values), minimum));
    store(out + c + LANES, fma(scale, load_signed_bytes(values + LANES), minimum));
  }
}

// Blocks of 68 bytes: f32 scale, 64 codes; the first column is `first` columns into the row.
void expand_e4m3(const uint8_t* row, int64_t first, int64_t columns, float* out) {
  for (int64_t c = 0; c < columns; c++) {
    const uint8_t* block = row + (first + c) / E4M3_COLUMNS * E4M3_BYTES;
    float weight = e4m3_to_float(block[4 + (first + c) % E4M3_COLUMNS]) * ::load<float>(block);
    out[c] = bf16_to_float(float_to_bf16(weight));
  }
}

// Blocks of an f16 scale, an f16 minimum, or with ZERO a zero point, and unsigned bytes; the first column is `first`
// columns into the row.
template <int TYPE, bool ZERO>
void expand_bytes(const uint8_t* row, int64_t first, int64_t columns, float* out) {
  for (int64_t c = 0; c < columns; c++) {
    const uint8_t* block = row + (first + c) / Stored<TYPE>::COLUMNS * Stored<TYPE>::BYTES;
    float scale = half_at(block);
    float minimum = ZERO ? -(scale * half_at(block + 2)) : half_at(block + 2);
    out[c] = __builtin_fmaf(scale, block[4 + (first + c) % Stored<TYPE>::COLUMNS], minimum);
  }
}

// Sub-blocks of the other types, starting `first` columns into the first block.
template <int TYPE>
void expand(const uint8_t* row, int64_t first, int64_t columns, float* out) {
  constexpr int SUB_BLOCKS = Stored<TYPE>::COLUMNS / BLOCK;
  for (int64_t c = 0; c < columns; c += BLOCK) {
    int64_t sub_block = (first + c) / BLOCK;
    const uint8_t* block = row + sub_block / SUB_BLOCKS * Stored<TYPE>::BYTES;
    alignas(32) uint8_t codes[BLOCK];
    int8_t values[BLOCK];
    Stored<TYPE>::codes(block, sub_block % SUB_BLOCKS, codes);
    for (int i = 0; i < BLOCK; i++) {
      values[i] = stored_value<TYPE>(codes[i]);
    }
    Scales scales = Stored<TYPE>::scales(block, sub_block % SUB_BLOCKS);
    for (int half = 0; half < 2; half++) {
      store(out + c + half * LANES, fma(broadcast(scales.scale[half]), load_signed_bytes(values + half * LANES),
                                        broadcast(scales.minimum[half])));
    }
  }
}

}  // namespace

// Ids [from, to): out[t] = `columns` elements of row source_rows[ids[t]] of the table. They begin `skipped` columns
// into the stored block that begins column_bytes into the row.
LOCKSTEP void lockstep_embed(const uint8_t* table, int32_t type, int64_t row_bytes,
                             int64_t column_bytes, int64_t skipped, int64_t columns, const int32_t* source_rows,
                             const int32_t* ids, float* out, int64_t out_stride, int64_t from,
                             int64_t to) {
  for (int64_t t = from; t < to; t++) {
    const uint8_t* row = table + source_rows[ids[t]] * row_bytes + column_bytes;
    float* target = out + t * out_stride;
    switch (type) {
      case TYPE_F32:
        memcpy(target, row, columns * sizeof(float));
        break;
      case TYPE_F16:
        copy_plain(reinterpret_cast<const Half*>(row), columns, target);
        break;
      case TYPE_BF16:
        copy_plain(reinterpret_cast<const Brain*>(row), columns, target);
        break;
      case TYPE_Q4_1:
        expand_q4_1(row, columns, target);
        break;
      case TYPE_Q8_0:
        expand_q8_0(row, columns, target);
        break;
      case TYPE_E4M3:
        expand_e4m3(row, skipped, columns, target);
        break;
      case TYPE_NVFP4:
        for (int64_t c = 0; c < columns; c++) {
          target[c] = nvfp4_weight(row, skipped + c);
        }
        break;
      case TYPE_Q8_OFFSET:
        expand_bytes<TYPE_Q8_OFFSET, false>(row, skipped, columns, target);
        break;
      case TYPE_Q8_ZERO:
        expand_bytes<TYPE_Q8_ZERO, true>(row, skipped, columns, target);
        break;
      case TYPE_Q8_ZERO_32:
        expand_bytes<TYPE_Q8_ZERO_32, true>(row, skipped, columns, target);
        break;
      case TYPE_NF4:
        for (int64_t c = 0; c < columns; c++) {
          target[c] = nf4_weight(NF4_VALUES, row, skipped + c);
        }
        break;
      case TYPE_FP4:
        for (int64_t c = 0; c < columns; c++) {
          target[c] = nf4_weight(FP4_VALUES, row, skipped + c);
        }
        break;
      case TYPE_Q4_OFFSET:
        expand<TYPE_Q4_OFFSET>(row, skipped, columns, target);
        break;
      case TYPE_Q4_ZERO:
        expand<TYPE_Q4_ZERO>(row, skipped, columns, target);
        break;
      case TYPE_Q4_ZERO_32:
        expand<TYPE_Q4_ZERO_32>(row, skipped, columns, target);
        break;
      case TYPE_Q4_ZERO_128:
        expand<TYPE_Q4_ZERO_128>(row, skipped, columns, target);
        break;
      case TYPE_Q4_0:
        expand<TYPE_Q4_0>(row, skipped, columns, target);
        break;
      case TYPE_Q5_0:
        expand<TYPE_Q5_0>(row, skipped, columns, target);
        break;
      case TYPE_Q5_1:
        expand<TYPE_Q5_1>(row, skipped, columns, target);
        break;
      case TYPE_IQ4_NL:
        expand<TYPE_IQ4_NL>(row, skipped, columns, target);
        break;
      case TYPE_MXFP4:
        expand<TYPE_MXFP4>(row, skipped, columns, target);
        break;
      case TYPE_IQ4_XS:
        expand<TYPE_IQ4_XS>(row, skipped, columns, target);
        break;
      case TYPE_IQ1_S:
        expand<TYPE_IQ1_S>(row, skipped, columns, target);
        break;
      case TYPE_IQ1_M:
        expand<TYPE_IQ1_M>(row, skipped, columns, target);
        break;
      case TYPE_IQ2_XXS:
        expand<TYPE_IQ2_XXS>(row, skipped, columns, target);
        break;
      case TYPE_IQ2_XS:
        expand<TYPE_IQ2_XS>(row, skipped, columns, target);
        break;
      case TYPE_IQ2_S:
        expand<TYPE_IQ2_S>(row, skipped, columns, target);
        break;
      case TYPE_IQ3_XXS:
        expand<TYPE_IQ3_XXS>(row, skipped, columns, target);
        break;
      case TYPE_IQ3_S:
        expand<TYPE_IQ3_S>(row, skipped, columns, target);
        break;
      case TYPE_TQ1_0:
        expand<TYPE_TQ1_0>(row, skipped, columns, target);
        break;
      case TYPE_TQ2_0:
        expand<TYPE_TQ2_0>(row, skipped, columns, target);
        break;
      case TYPE_Q2_K:
        expand<TYPE_Q2_K>(row, skipped, columns, target);
        break;
      case TYPE_Q3_K:
        expand<TYPE_Q3_K>(row, skipped, columns, target);
        break;
      case TYPE_Q4_K:
        expand<TYPE_Q4_K>(row, skipped, columns, target);
        break;
      case TYPE_Q5_K:
        expand<TYPE_Q5_K>(row, skipped, columns, target);
        break;
      case TYPE_Q6_K:
        expand<TYPE_Q6_K>(row, skipped, columns, target);
        break;
    }
  }
}
