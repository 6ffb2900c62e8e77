// Packs stored rows into tiles of 16 outputs. Outputs that do not exist are zero.
//
// `data` is the first stored row at the first column wanted; output r is stored row `indices[r]`.
#include "int8.h"

struct Source {
  const char* data;
  int64_t row_bytes;
  const int32_t* indices;
  int rows;

  // Null for an output that does not exist.
  const char* row(int output) const { return output < rows ? data + indices[output] * row_bytes : nullptr; }
};

template <class T>
static inline T load(const char* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

static inline float element(int type, const char* row, int column) {
  switch (type) {
    case TYPE_F32: return load<float>(row + 4 * (int64_t)column);
    case TYPE_F16: return f16_to_float(load<uint16_t>(row + 2 * (int64_t)column));
    default: return bf16_to_float(load<uint16_t>(row + 2 * (int64_t)column));
  }
}

template <int TYPE>
static void pack_f32(const Source& source, int columns, float* tile, int tile_number) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = source.row(tile_number * TILE_ROWS + r);
    for (int column = 0; column < columns; column++) {
      tile[(int64_t)column * TILE_ROWS + r] = row ? element(TYPE, row, column) : 0;
    }
  }
}

template <int TYPE>
static void pack_bf16(const Source& source, int columns, uint16_t* tile, int tile_number) {
  for (int r = 0; r < TILE_ROWS; r++) {
    const char* row = source.row(tile_number * TILE_ROWS + r);
    for (int column = 0; column < (columns + 1) / 2 * 2; column++) {
      uint16_t value = 0;
      if (row && column < columns) {
        value = TYPE == TYPE_BF16 ? load<uint16_t>(row + 2 * (int64_t)column) : float_to_bf16(element(TYPE, row, column));
      }
      tile[(int64_t)(column / 2) * 2 * TILE_ROWS + r * 2 + column % 2] = value;
    }
  }
}

LOCKSTEP void lockstep_pack_f32(int type, const char* data, int64_t row_bytes, const int32_t* indices, int rows,
                                int columns, char* target, int64_t tile_bytes, int tile_from, int tile_to) {
  Source source{data, row_bytes, indices, rows};
  for (int tile = tile_from; tile < tile_to; tile++) {
    float* out = (float*)(target + tile * tile_bytes);
    switch (type) {
      case TYPE_F32: pack_f32<TYPE_F32>(source, columns, out, tile); break;
      case TYPE_F16: pack_f32<TYPE_F16>(source, columns, out, tile); break;
      default: pack_f32<TYPE_BF16>(source, columns, out, tile); break;
    }
  }
}

LOCKSTEP void lockstep_pack_bf16(int type, const char* data, int64_t row_bytes, const int32_t* indices, int rows,
                                 int columns, char* target, int64_t tile_bytes, int tile_from, int tile_to) {
  Source source{data, row_bytes, indices, rows};
  for (int tile = tile_from; tile < tile_to; tile++) {
    uint16_t* out = (uint16_t*)(target + tile * tile_bytes);
    switch (type) {
      case TYPE_F32: pack_bf16<TYPE_F32>(source, columns, out, tile); break;
      case TYPE_F16: pack_bf16<TYPE_F16>(source, columns, out, tile); break;
      default: pack_bf16<TYPE_BF16>(source, columns, out, tile); break;
    }
  }
}

// Stored block: f16 scale, 32 signed bytes.
LOCKSTEP void lockstep_pack_q8_0(int, const char* data, int64_t row_bytes, const int32_t* indices, int rows,
                                 int columns, char* target, int64_t tile_bytes, int tile_from, int tile_to) {
  Source source{data, row_bytes, indices, rows};
  int blocks = columns / BLOCK;
  for (int tile = tile_from; tile < tile_to; tile++) {
    char* out = target + tile * tile_bytes;
    for (int r = 0; r < TILE_ROWS; r++) {
      const char* row = source.row(tile * TILE_ROWS + r);
      for (int64_t block = 0; block < blocks; block++) {
        const char* stored = row + block * 34;
        char* pair = out + block / 2 * Q8_PAIR_BYTES;
        uint16_t* scales = (uint16_t*)pair + block % 2 * TILE_ROWS;
        uint32_t* weights = (uint32_t*)(pair + Q8_SCALES_BYTES) + block % 2 * 8 * TILE_ROWS;
        scales[r] = row ? load<uint16_t>(stored) : 0;
        for (int four = 0; four < 8; four++) {
          // Flipping the top bit adds 128. A missing row has scale 0, so its weights do not matter.
          uint32_t values = row ? load<uint32_t>(stored + 2 + four * 4) : 0;
          weights[four * TILE_ROWS + r] = values ^ 0x80808080u;
        }
      }
    }
  }
}

// Stored block: f16 scale, f16 minimum, 16 bytes of two nibbles: columns c (low) and c + 16.
LOCKSTEP void lockstep_pack_q4_1(int, const char* data, int64_t row_bytes, const int32_t* indices, int rows,
                                 int columns, char* target, int64_t tile_bytes, int tile_from, int tile_to) {
  Source source{data, row_bytes, indices, rows};
  int blocks = columns / BLOCK;
  for (int tile = tile_from; tile < tile_to; tile++) {
    char* out = target + tile * tile_bytes;
    for (int r = 0; r < TILE_ROWS; r++) {
      const char* row = source.row(tile * TILE_ROWS + r);
      for (int64_t block = 0; block < blocks; block++) {
        const char* stored = row + block * 20;
        uint16_t* scales = (uint16_t*)(out + block * Q4_BLOCK_BYTES);
        uint32_t* weights = (uint32_t*)(scales + 2 * TILE_ROWS);
        scales[r] = row ? load<uint16_t>(stored) : 0;
        scales[TILE_ROWS + r] = row ? load<uint16_t>(stored + 2) : 0;
        for (int four = 0; four < 4; four++) {
          weights[four * TILE_ROWS + r] = row ? load<uint32_t>(stored + 4 + four * 4) : 0;
        }
      }
    }
  }
}
