// SPDX-License-Identifier: Apache-2.0
// Barriers, collectives of a warp, atomics and arithmetic. A fiber gives up the CPU at barriers and collectives only, so
// an atomic operation is a plain one.
#pragma once

#include "device_thread.h"

namespace ls_emulated {

template <class T>
uint64_t bits_of(T value) {
  static_assert(sizeof(T) <= 8, "a collective exchanges up to 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T value_of(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

enum class Direction { TO, XOR, UP, DOWN };

template <class T>
T shuffle(Direction direction, int line, unsigned mask, T value, int offset, int width = WARP) {
  int lane = ls_emulated::lane(), begin = lane / width * width, source = lane;
  switch (direction) {
    case Direction::TO: source = begin + (offset & (width - 1)); break;
    case Direction::XOR: source = (lane ^ offset) < begin + width ? lane ^ offset : lane; break;
    case Direction::UP: source = lane - offset >= begin ? lane - offset : lane; break;
    case Direction::DOWN: source = lane + offset < begin + width ? lane + offset : lane; break;
  }
  return value_of<T>(collective(Collective::SHUFFLE, mask, bits_of(value), source, line));
}

inline unsigned reduce(Collective kind, int line, unsigned mask, unsigned value) {
  return static_cast<unsigned>(collective(kind, mask, value, -1, line));
}

inline unsigned synchronize(int line, unsigned mask = 0xffffffffu) { return reduce(Collective::SYNC, line, mask, 0); }

inline unsigned members(unsigned mask, int line) { return reduce(Collective::BALLOT, line, mask, 1); }

template <class T>
unsigned match(int line, unsigned mask, T value) {
  return static_cast<unsigned>(collective(Collective::MATCH, mask, bits_of(value), -1, line));
}

}  // namespace ls_emulated

#define __syncthreads() ls_emulated::barrier(0, __LINE__)
#define __syncthreads_count(predicate) static_cast<int>(ls_emulated::barrier((predicate) ? 1 : 0, __LINE__))
#define __syncthreads_or(predicate) static_cast<int>(ls_emulated::barrier((predicate) ? 1 : 0, __LINE__) != 0)
#define __syncthreads_and(predicate) static_cast<int>(ls_emulated::barrier((predicate) ? 0 : 1, __LINE__) == 0)
#define __syncwarp(...) ls_emulated::synchronize(__LINE__ __VA_OPT__(, ) __VA_ARGS__)
#define __shfl_sync(...) ls_emulated::shuffle(ls_emulated::Direction::TO, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) ls_emulated::shuffle(ls_emulated::Direction::XOR, __LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) ls_emulated::shuffle(ls_emulated::Direction::UP, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) ls_emulated::shuffle(ls_emulated::Direction::DOWN, __LINE__, __VA_ARGS__)
#define __ballot_sync(mask, predicate) ls_emulated::reduce(ls_emulated::Collective::BALLOT, __LINE__, mask, (predicate) ? 1 : 0)
#define __any_sync(mask, predicate) static_cast<int>(__ballot_sync(mask, predicate) != 0)
#define __all_sync(mask, predicate) static_cast<int>(__ballot_sync(mask, !(predicate)) == 0)
#define __match_any_sync(mask, value) ls_emulated::match(__LINE__, mask, value)
#define __reduce_add_sync(mask, value) ls_emulated::reduce(ls_emulated::Collective::ADD, __LINE__, mask, value)
#define __reduce_and_sync(mask, value) ls_emulated::reduce(ls_emulated::Collective::AND, __LINE__, mask, value)
#define __reduce_or_sync(mask, value) ls_emulated::reduce(ls_emulated::Collective::OR, __LINE__, mask, value)
#define __reduce_xor_sync(mask, value) ls_emulated::reduce(ls_emulated::Collective::XOR, __LINE__, mask, value)
#define __threadfence() static_cast<void>(0)
#define __threadfence_block() static_cast<void>(0)
#define __threadfence_system() static_cast<void>(0)

#define LS_REDUCE_ORDERED(name, kind)                                             \
  inline int ls_##name(int line, unsigned mask, int value) {                      \
    return static_cast<int>(ls_emulated::reduce(ls_emulated::Collective::kind##_SIGNED, line, mask, static_cast<unsigned>(value))); \
  }                                                                               \
  inline unsigned ls_##name(int line, unsigned mask, unsigned value) {            \
    return ls_emulated::reduce(ls_emulated::Collective::kind##_UNSIGNED, line, mask, value); \
  }
LS_REDUCE_ORDERED(reduce_min, MIN)
LS_REDUCE_ORDERED(reduce_max, MAX)
#define __reduce_min_sync(mask, value) ls_reduce_min(__LINE__, mask, value)
#define __reduce_max_sync(mask, value) ls_reduce_max(__LINE__, mask, value)

#define LS_ATOMIC(name, T, expression) \
  inline T name(T* at, T value) {      \
    T old = *at;                       \
    *at = (expression);                \
    return old;                        \
  }
#define LS_ATOMICS(T)                                           \
  LS_ATOMIC(atomicAdd, T, old + value)                          \
  LS_ATOMIC(atomicExch, T, value)                               \
  LS_ATOMIC(atomicMin, T, value < old ? value : old)            \
  LS_ATOMIC(atomicMax, T, value > old ? value : old)            \
  inline T atomicCAS(T* at, T expected, T value) {              \
    T old = *at;                                                \
    if (old == expected) *at = value;                           \
    return old;                                                 \
  }
LS_ATOMICS(int)
LS_ATOMICS(unsigned)
LS_ATOMICS(unsigned long)
LS_ATOMICS(unsigned long long)
LS_ATOMIC(atomicAnd, unsigned, old& value)
LS_ATOMIC(atomicOr, unsigned, old | value)
LS_ATOMIC(atomicXor, unsigned, old ^ value)

inline float __int_as_float(int x) { return ls_emulated::value_of<float>(ls_emulated::bits_of(x)); }
inline float __uint_as_float(unsigned x) { return ls_emulated::value_of<float>(ls_emulated::bits_of(x)); }
inline int __float_as_int(float x) { return ls_emulated::value_of<int>(ls_emulated::bits_of(x)); }
inline unsigned __float_as_uint(float x) { return ls_emulated::value_of<unsigned>(ls_emulated::bits_of(x)); }
inline double __longlong_as_double(long long x) { return ls_emulated::value_of<double>(ls_emulated::bits_of(x)); }
inline long long __double_as_longlong(double x) { return ls_emulated::value_of<long long>(ls_emulated::bits_of(x)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline long min(long a, long b) { return a < b ? a : b; }
inline long max(long a, long b) { return a > b ? a : b; }
