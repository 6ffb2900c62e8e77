// SPDX-License-Identifier: Apache-2.0
// Kernels that check the emulation itself, right ones and wrong ones.
#include "ls_types.cuh"

#define CHECK_FIELDS(F) F(View, x) F(float*, out) F(int32_t*, counter) F(Report, report) F(int64_t, size)
LS_STRUCT(CheckParams, CHECK_FIELDS, 64)

// Sums each row of x with a block: shuffles, then shared memory.
LS_KERNEL(sum_rows, CheckParams) {
  __shared__ float sums[LS_MAX_THREADS / LS_WARP];
  float sum = 0;
  for (int c = threadIdx.x; c < p.x.columns; c += blockDim.x) sum += row_of<float>(p.x, blockIdx.x)[c];
  for (int half = LS_WARP / 2; half > 0; half /= 2) sum += __shfl_xor_sync(LS_ALL_LANES, sum, half);
  if (threadIdx.x % LS_WARP == 0) sums[threadIdx.x / LS_WARP] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (int w = 0; w < static_cast<int>(blockDim.x) / LS_WARP; w++) total += sums[w];
    p.out[blockIdx.x] = total;
  }
}

// Reverses `size` floats of a block through dynamic shared memory.
LS_KERNEL(reverse, CheckParams) {
  LS_DYN_SMEM(float, held);
  float* x = row_of<float>(p.x, 0);
  held[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  p.out[threadIdx.x] = held[p.size - 1 - threadIdx.x];
}

// The same without the barrier: reads poison, or what the order of threads left there.
LS_KERNEL(reverse_without_barrier, CheckParams) {
  LS_DYN_SMEM(float, held);
  float* x = row_of<float>(p.x, 0);
  held[threadIdx.x] = x[threadIdx.x];
  p.out[threadIdx.x] = held[p.size - 1 - threadIdx.x];
}

// Only the first warp arrives.
LS_KERNEL(divergent_barrier, CheckParams) {
  if (threadIdx.x < LS_WARP) __syncthreads();
}

// Half of a warp shuffles.
LS_KERNEL(divergent_shuffle, CheckParams) {
  if (threadIdx.x < LS_WARP / 2) p.out[threadIdx.x] = __shfl_xor_sync(LS_ALL_LANES, 1.0f, 1);
}

// The order in which threads take a number; it shows the order in which they ran.
LS_KERNEL(take_numbers, CheckParams) { p.out[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(atomicAdd(p.counter, 1)); }

// One result of every collective; a lane writes all of its own.
LS_KERNEL(collectives, CheckParams) {
  int lane = static_cast<int>(threadIdx.x % LS_WARP);
  float* out = p.out + threadIdx.x * 12;
  out[0] = static_cast<float>(__shfl_sync(LS_ALL_LANES, lane, 5));
  out[1] = static_cast<float>(__shfl_up_sync(LS_ALL_LANES, lane, 2));
  out[2] = static_cast<float>(__shfl_down_sync(LS_ALL_LANES, lane, 2));
  out[3] = static_cast<float>(__shfl_xor_sync(LS_ALL_LANES, lane, 4, 8));
  out[4] = static_cast<float>(__popc(__ballot_sync(LS_ALL_LANES, lane % 3 == 0)));
  out[5] = static_cast<float>(__any_sync(LS_ALL_LANES, lane == 31));
  out[6] = static_cast<float>(__all_sync(LS_ALL_LANES, lane < 31));
  out[7] = static_cast<float>(__reduce_add_sync(LS_ALL_LANES, static_cast<unsigned>(lane)));
  out[8] = static_cast<float>(__reduce_min_sync(LS_ALL_LANES, lane - 7));
  out[9] = static_cast<float>(__reduce_max_sync(LS_ALL_LANES, static_cast<unsigned>(lane)));
  out[10] = static_cast<float>(__syncthreads_count(lane < 3));
  out[11] = static_cast<float>(__popc(__match_any_sync(LS_ALL_LANES, lane / 8)));
}

// Every thread reports its own number.
LS_KERNEL(report_all, CheckParams) {
  int number = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  in_range(p.report, number, number + 100, number == 3 ? 1000 : 50);
}

// bf16 and f16 bits of each float of x, and the float of each 16 bits.
LS_KERNEL(convert, CheckParams) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= p.size) return;
  uint32_t bits = __float_as_uint(row_of<float>(p.x, 0)[i]);
  BF16 brain;
  F16 half;
  put(&brain, __uint_as_float(bits));
  put(&half, __uint_as_float(bits));
  p.out[4 * i] = to_float(brain);
  p.out[4 * i + 1] = to_float(half);
  half.bits = static_cast<uint16_t>(bits);
  p.out[4 * i + 2] = to_float(half);
  put(&half, to_float(half));
  p.out[4 * i + 3] = static_cast<float>(half.bits);
}

// Copies the float `size` bytes behind the beginning of x.
LS_KERNEL(copy_float, CheckParams) { p.out[0] = *reinterpret_cast<const float*>(static_cast<const char*>(p.x.data) + p.size); }
