// SPDX-License-Identifier: Apache-2.0
// What all kernels share: element types, tensor views, parameter structs, the report of an index out of range.
//
// The same source is compiled by NVRTC for a GPU and by g++ with src/test/cuda-emulation/device.h in front. Rules: PTX
// stands in ls_*.cuh only; dynamic shared memory is LS_DYN_SMEM; static shared memory has no initializer and stands in
// kernels; collectives of a warp stand in converged code and name all its lanes; no block waits for another.
// A variant is named by -D options: ACTIVATION, KV and the like are names of element types.
#pragma once

#if defined(__CUDACC_RTC__)
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

constexpr int LS_WARP = 32;
constexpr unsigned LS_ALL_LANES = 0xffffffffu;
constexpr int LS_MAX_THREADS = 256;  // of every block

#if defined(LS_EMULATED)
#define LS_KERNEL(name, Params)                                                                \
  static void name(const Params& p);                                                           \
  static const ls_emulated::Kernel ls_kernel_##name(                                           \
      #name, sizeof(Params), [](const void* p) { name(*static_cast<const Params*>(p)); });     \
  static void name(const Params& p)
#define LS_DYN_SMEM(T, name) T* name = reinterpret_cast<T*>(ls_emulated::dynamic_shared())
#define LS_LAYOUT(Name, FIELDS)                                                        \
  static const ls_emulated::Layout ls_layout_##Name(#Name, [](ls_emulated::Fields& w) { \
    using Struct = Name;                                                               \
    FIELDS(LS_LAYOUT_FIELD)                                                            \
  });
#define LS_LAYOUT_FIELD(type, field) w.add(#field, offsetof(Struct, field), sizeof(Struct::field));
#else
// A kernel has one parameter, the struct `p`.
#define LS_KERNEL(name, Params) \
  extern "C" __global__ void __launch_bounds__(LS_MAX_THREADS, 1) name(const __grid_constant__ Params p)
#define LS_DYN_SMEM(T, name)                                      \
  extern __shared__ __align__(16) unsigned char ls_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(ls_dynamic_shared)
#define LS_LAYOUT(Name, FIELDS)
#endif

// A struct that the host fills: FIELDS(F) is a list of F(type, name); the host's layout is compared with it.
#define LS_FIELD(type, name) type name;
#define LS_STRUCT(Name, FIELDS, BYTES)                                      \
  struct Name {                                                             \
    FIELDS(LS_FIELD)                                                        \
  };                                                                        \
  static_assert(sizeof(Name) == BYTES, #Name " has other bytes on the host"); \
  LS_LAYOUT(Name, FIELDS)

// Element types. I32 is int32_t.
typedef float F32;
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

// A matrix in device memory; consecutive rows are `stride` elements apart.
#define VIEW_FIELDS(F) F(void*, data) F(int32_t, rows) F(int32_t, columns) F(int64_t, stride)
LS_STRUCT(View, VIEW_FIELDS, 24)

template <class T>
__device__ __forceinline__ T* row_of(const View& view, int64_t row) {
  return static_cast<T*>(view.data) + row * view.stride;
}

// The first index out of range since the host cleared `set`.
#define REPORTED_FIELDS(F) F(uint32_t, set) F(int32_t, op) F(int64_t, index) F(int64_t, value) F(int64_t, limit)
LS_STRUCT(Reported, REPORTED_FIELDS, 32)

// Where a kernel reports, and the number of its op.
#define REPORT_FIELDS(F) F(Reported*, word) F(int64_t, op)
LS_STRUCT(Report, REPORT_FIELDS, 16)

// Reports a value that is out of range. `index` tells where it was read.
__device__ __forceinline__ void out_of_range(const Report& report, int64_t index, int64_t value, int64_t limit) {
  if (atomicCAS(&report.word->set, 0u, 1u) == 0u) {
    report.word->op = static_cast<int32_t>(report.op);
    report.word->index = index;
    report.word->value = value;
    report.word->limit = limit;
  }
}

// Returns whether 0 <= value < limit; reports it if not.
__device__ __forceinline__ bool in_range(const Report& report, int64_t index, int64_t value, int64_t limit) {
  if (value >= 0 && value < limit) return true;
  out_of_range(report, index, value, limit);
  return false;
}

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// Conversions round to nearest, ties to even; a NaN becomes the canonical NaN.
#if defined(LS_EMULATED)
inline uint16_t bf16_bits(float x) {
  uint32_t bits = __float_as_uint(x);
  if (x != x) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline uint16_t f16_bits(float x) {
  uint32_t bits = __float_as_uint(x);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7fff;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 rounds to infinity
  if (magnitude < 0x38800000) {
    // Adding ½ lets the float adder round to the subnormals' unit of 2^-24.
    uint32_t shifted = __float_as_uint(__uint_as_float(magnitude) + 0.5f);
    return sign | static_cast<uint16_t>(shifted - 0x3f000000);
  }
  uint32_t rounded = magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

inline float f16_value(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) {
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
}
#else
__device__ __forceinline__ uint16_t bf16_bits(float x) {
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

__device__ __forceinline__ uint16_t f16_bits(float x) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

__device__ __forceinline__ float f16_value(uint16_t bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}
#endif

__device__ __forceinline__ float to_float(F32 x) { return x; }
__device__ __forceinline__ float to_float(BF16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
__device__ __forceinline__ float to_float(F16 x) { return f16_value(x.bits); }

__device__ __forceinline__ void put(F32* at, float x) { *at = x; }
__device__ __forceinline__ void put(BF16* at, float x) { at->bits = bf16_bits(x); }
__device__ __forceinline__ void put(F16* at, float x) { at->bits = f16_bits(x); }
