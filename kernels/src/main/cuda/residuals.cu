// SPDX-License-Identifier: Apache-2.0
// Ops over several residuals of a token, row by row. A sum over a row is one of a block.
#include "ls_norm.cuh"

// x += y · factors, factors [rows, 1] F32.
#define ADD_SCALED_ROWS_FIELDS(F) F(View, x) F(View, y) F(View, factors)
LS_STRUCT(AddScaledRowsParams, ADD_SCALED_ROWS_FIELDS, 72)

// x *= factors, factors [columns].
#define SCALE_COLUMNS_FIELDS(F) F(View, x) F(const float*, factors)
LS_STRUCT(ScaleColumnsParams, SCALE_COLUMNS_FIELDS, 32)

// x *= sqrt(mean(like²) / max(mean(x²), least)).
#define MATCH_MAGNITUDE_FIELDS(F) F(View, x) F(View, like) F(float, least) F(int32_t, unused)
LS_STRUCT(MatchMagnitudeParams, MATCH_MAGNITUDE_FIELDS, 56)

// out [rows, 2] F32 = Σ x, Σ x².
#define MOMENTS_FIELDS(F) F(View, x) F(View, out)
LS_STRUCT(MomentsParams, MOMENTS_FIELDS, 48)

// x = max(0, x - mean - deviations · √variance) of moments [rows, 2] F32 over `count` columns.
#define KEEP_ABOVE_FIELDS(F) F(View, x) F(View, moments) F(int32_t, count) F(float, deviations)
LS_STRUCT(KeepAboveParams, KEEP_ABOVE_FIELDS, 56)

// Grid: (rows, tiles of columns); any number of threads.
LS_KERNEL(add_scaled_rows, AddScaledRowsParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  const ACTIVATION* y = row_of<const ACTIVATION>(p.y, blockIdx.x);
  float factor = row_of<const float>(p.factors, blockIdx.x)[0];
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, fmaf(to_float(y[c]), factor, to_float(x[c])));
  }
}

// Grid: (rows, tiles of columns); any number of threads.
LS_KERNEL(scale_columns, ScaleColumnsParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    put(x + c, to_float(x[c]) * p.factors[c]);
  }
}

// Grid: rows; whole warps.
LS_KERNEL(match_magnitude, MatchMagnitudeParams) {
  __shared__ float sums[LS_WARPS];
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  float count = static_cast<float>(p.x.columns);
  float wanted = square_sum(row_of<const ACTIVATION>(p.like, blockIdx.x), p.x.columns, sums) / count;
  float own = square_sum(x, p.x.columns, sums) / count;
  float factor = sqrtf(wanted / (own < p.least ? p.least : own));
  for (int c = threadIdx.x; c < p.x.columns; c += blockDim.x) put(x + c, to_float(x[c]) * factor);
}

// Grid: rows; whole warps.
LS_KERNEL(moments, MomentsParams) {
  __shared__ float sums[LS_WARPS];
  const ACTIVATION* x = row_of<const ACTIVATION>(p.x, blockIdx.x);
  float sum = 0;
  for (int c = threadIdx.x; c < p.x.columns; c += blockDim.x) sum += to_float(x[c]);
  sum = block_sum(sum, sums);
  float squares = square_sum(x, p.x.columns, sums);
  if (threadIdx.x == 0) {
    float* out = row_of<float>(p.out, blockIdx.x);
    out[0] = sum;
    out[1] = squares;
  }
}

// Grid: (rows, tiles of columns); any number of threads.
LS_KERNEL(keep_above, KeepAboveParams) {
  ACTIVATION* x = row_of<ACTIVATION>(p.x, blockIdx.x);
  const float* moments = row_of<const float>(p.moments, blockIdx.x);
  float count = static_cast<float>(p.count), mean = moments[0] / count;
  float variance = fmaf(-mean, mean, moments[1] / count);
  float cut = fmaf(p.deviations, sqrtf(variance < 0.0f ? 0.0f : variance), mean);
  for (int c = blockIdx.y * blockDim.x + threadIdx.x; c < p.x.columns; c += gridDim.y * blockDim.x) {
    float above = to_float(x[c]) - cut;
    put(x + c, above < 0.0f ? 0.0f : above);
  }
}
