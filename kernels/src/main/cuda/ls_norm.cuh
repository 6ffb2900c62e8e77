// SPDX-License-Identifier: Apache-2.0
// One row of a root mean square norm, by the threads of a block: thread i has the columns i, i + threads, …
#pragma once

#include "ls_reduce.cuh"

// Returns Σ x² to every thread.
template <class T>
__device__ __forceinline__ float square_sum(const T* x, int columns, float* shared) {
  float sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    float a = to_float(x[c]);
    sum = fmaf(a, a, sum);
  }
  return block_sum(sum, shared);
}

template <class T>
__device__ __forceinline__ float rms_factor(const T* x, int columns, float epsilon, float* shared) {
  return 1.0f / sqrtf(square_sum(x, columns, shared) / static_cast<float>(columns) + epsilon);
}

// out = x · factor · weight; out may be x.
template <class T>
__device__ __forceinline__ void normalize(const T* x, int columns, float factor, const float* weight, T* out) {
  for (int c = threadIdx.x; c < columns; c += blockDim.x) put(out + c, to_float(x[c]) * factor * weight[c]);
}
