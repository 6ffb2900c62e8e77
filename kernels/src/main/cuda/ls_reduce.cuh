// SPDX-License-Identifier: Apache-2.0
// Reductions over a block, always in the same order: equal threads and equal inputs give equal bits.
#pragma once

#include "ls_types.cuh"

constexpr int LS_WARPS = LS_MAX_THREADS / LS_WARP;

// Returns the sum over the lanes of a warp, to all of them.
template <class T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int half = LS_WARP / 2; half > 0; half /= 2) x += __shfl_xor_sync(LS_ALL_LANES, x, half);
  return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int half = LS_WARP / 2; half > 0; half /= 2) x = fmaxf(x, __shfl_xor_sync(LS_ALL_LANES, x, half));
  return x;
}

// Returns the sum over the threads of a block, whole warps, to all of them. `shared` holds LS_WARPS values; it may be
// used again after the call.
template <class T>
__device__ __forceinline__ T block_sum(T x, T* shared) {
  x = warp_sum(x);
  if (threadIdx.x % LS_WARP == 0) shared[threadIdx.x / LS_WARP] = x;
  __syncthreads();
  T sum = shared[0];
  for (unsigned warp = 1; warp < blockDim.x / LS_WARP; warp++) sum += shared[warp];
  __syncthreads();
  return sum;
}
