// SPDX-License-Identifier: Apache-2.0
// libcublasLt.so.13 of the emulation: products of F32 and BF16 matrices with sums in F32, host scalars, one batch.
#define LS_LIBRARY "cublasLt"
#include <math.h>

#include <algorithm>
#include <random>

#include "calls.h"
#include "driver.h"
#include "guarded.h"

using namespace ls_emulation;

namespace {

enum Status { OK = 0, NOT_INITIALIZED_YET = 1, BAD_VALUE = 7, EXECUTION_FAILED = 13, UNSUPPORTED = 15 };
enum Type { F32 = 0, BF16 = 14 };
enum Compute { COMPUTE_F32 = 68, COMPUTE_TF32 = 77 };
enum Reduction { IN_ONE_SEQUENCE = 0, IN_PLACE = 1, IN_COMPUTE_TYPE = 2 };

struct Description {
  int compute, scale;
  int transpose[2] = {0, 0};
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;

  size_t bytes() const { return type == F32 ? 4 : 2; }
  // From the first to the last element.
  size_t extent() const { return ((columns - 1) * static_cast<uint64_t>(stride) + rows) * bytes(); }
};

struct Preference {
  uint64_t workspace = 0;
  uint32_t reductions = 7;
  uint32_t alignment[4] = {256, 256, 256, 256};
};

// What stands in the 64 bytes of an algorithm.
struct Algorithm {
  uint32_t mark;
  uint32_t reduction;
  uint32_t pieces;
  uint32_t alignment[4];
  uint32_t unused;
  uint64_t workspace;
  uint64_t rest[3];
};
static_assert(sizeof(Algorithm) == 64, "cublasLtMatmulAlgo_t");
constexpr uint32_t MARK = 0x4c53474d;

struct Result {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Result) == 96, "cublasLtMatmulHeuristicResult_t");

float value(const void* data, int type, size_t at) {
  if (type == F32) return static_cast<const float*>(data)[at];
  uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(data)[at]) << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

void put(void* data, int type, size_t at, float x) {
  if (type == F32) {
    static_cast<float*>(data)[at] = x;
    return;
  }
  uint32_t bits;
  memcpy(&bits, &x, 4);
  static_cast<uint16_t*>(data)[at] = x != x ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0xfff + (bits >> 13 & 1)) & 0xffffe000;
  memcpy(&x, &bits, 4);
  return x;
}

// D = alpha * op(A) * op(B) + beta * C. A sum that is cut is added in the order of its pieces; in place, in any order.
class Product : public Operation {
 public:
  Description description;
  Layout a, b, c, d;
  const void *a_data, *b_data, *c_data;
  void* d_data;
  float alpha, beta;
  Algorithm algorithm;
  void* workspace;
  uint64_t seed;

  int execute() override {
    return Guarded::run([this] { return multiply(), static_cast<int>(SUCCESS); }, ILLEGAL_ADDRESS);
  }

 private:
  void multiply() {
    uint64_t inner = description.transpose[0] ? a.rows : a.columns;
    bool rounded = description.compute == COMPUTE_TF32;
    // Whoever else uses the workspace meanwhile finds this.
    if (algorithm.workspace > 0) memset(workspace, 0x7f, algorithm.workspace);
    std::vector<float> left(inner);
    std::vector<unsigned> order(algorithm.pieces);
    for (unsigned i = 0; i < algorithm.pieces; i++) order[i] = i;
    std::mt19937_64 random(seed);
    if (algorithm.reduction == IN_PLACE) std::shuffle(order.begin(), order.end(), random);
    std::vector<float> right(inner * d.columns);
    for (uint64_t j = 0; j < d.columns; j++) {
      for (uint64_t k = 0; k < inner; k++) {
        float x = value(b_data, b.type, description.transpose[1] ? j + k * b.stride : k + j * b.stride);
        right[j * inner + k] = rounded ? tf32(x) : x;
      }
    }
    for (uint64_t i = 0; i < d.rows; i++) {
      for (uint64_t k = 0; k < inner; k++) {
        float x = value(a_data, a.type, description.transpose[0] ? k + i * a.stride : i + k * a.stride);
        left[k] = rounded ? tf32(x) : x;
      }
      for (uint64_t j = 0; j < d.columns; j++) {
        float sum = 0;
        for (unsigned piece : order) sum += dot(left.data(), right.data() + j * inner, inner * piece / order.size(), inner * (piece + 1) / order.size());
        float added = beta == 0 ? 0 : beta * value(c_data, c.type, i + j * c.stride);
        put(d_data, d.type, i + j * d.stride, alpha * sum + added);
      }
    }
  }

  // Eight sums, so that the compiler can use vectors.
  static float dot(const float* x, const float* y, uint64_t from, uint64_t to) {
    float sums[8] = {};
    uint64_t k = from;
    for (; k + 8 <= to; k += 8) {
      for (int lane = 0; lane < 8; lane++) sums[lane] += x[k + lane] * y[k + lane];
    }
    float sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    for (; k < to; k++) sum += x[k] * y[k];
    return sum;
  }
};

bool aligned(const void* address, uint32_t bytes) { return reinterpret_cast<uintptr_t>(address) % bytes == 0; }

// Whether the four layouts fit together.
bool fit(const Description& description, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  uint64_t m = description.transpose[0] ? a.columns : a.rows, inner = description.transpose[0] ? a.rows : a.columns;
  uint64_t n = description.transpose[1] ? b.rows : b.columns, other = description.transpose[1] ? b.columns : b.rows;
  return inner == other && d.rows == m && d.columns == n && c.rows == m && c.columns == n && a.type == b.type && c.type == d.type &&
         (d.type == F32 || d.type == a.type);
}

}  // namespace

LS_EXPORT int cublasLtCreate(void** handle) {
  LS_CALL("cublasLtCreate");
  if (fault != 0) return fault;
  if (ls_emulation_device() < 0) return NOT_INITIALIZED_YET;
  *handle = new int(ls_emulation_device());
  return OK;
}

LS_EXPORT int cublasLtDestroy(void* handle) {
  LS_CALL("cublasLtDestroy");
  delete static_cast<int*>(handle);
  return fault;
}

LS_EXPORT size_t cublasLtGetVersion() {
  LS_CALL("cublasLtGetVersion");
  (void)fault;
  return 130000;
}

LS_EXPORT const char* cublasLtGetStatusName(int status) {
  switch (status) {
    case OK: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED_YET: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case BAD_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case UNSUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_UNKNOWN";
  }
}

LS_EXPORT const char* cublasLtGetStatusString(int status) {
  return status == OK ? "success" : "the emulation refuses this";
}

LS_EXPORT int cublasLtMatmulDescCreate(void** description, int compute, int scale) {
  LS_CALL("cublasLtMatmulDescCreate");
  if (fault != 0) return fault;
  if ((compute != COMPUTE_F32 && compute != COMPUTE_TF32) || scale != F32) return UNSUPPORTED;
  Description* made = new Description;
  made->compute = compute;
  made->scale = scale;
  *description = made;
  return OK;
}

LS_EXPORT int cublasLtMatmulDescDestroy(void* description) {
  LS_CALL("cublasLtMatmulDescDestroy");
  delete static_cast<Description*>(description);
  return fault;
}

LS_EXPORT int cublasLtMatmulDescSetAttribute(void* description, int attribute, const void* data, size_t bytes) {
  LS_CALL("cublasLtMatmulDescSetAttribute");
  if (fault != 0) return fault;
  if ((attribute != 3 && attribute != 4) || bytes != 4) return BAD_VALUE;
  memcpy(&static_cast<Description*>(description)->transpose[attribute - 3], data, 4);
  return OK;
}

LS_EXPORT int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  LS_CALL("cublasLtMatrixLayoutCreate");
  if (fault != 0) return fault;
  if (type != F32 && type != BF16) return UNSUPPORTED;
  if (rows == 0 || columns == 0 || stride < static_cast<int64_t>(rows)) return BAD_VALUE;
  *layout = new Layout{type, rows, columns, stride};
  return OK;
}

LS_EXPORT int cublasLtMatrixLayoutDestroy(void* layout) {
  LS_CALL("cublasLtMatrixLayoutDestroy");
  delete static_cast<Layout*>(layout);
  return fault;
}

LS_EXPORT int cublasLtMatmulPreferenceCreate(void** preference) {
  LS_CALL("cublasLtMatmulPreferenceCreate");
  if (fault != 0) return fault;
  *preference = new Preference;
  return OK;
}

LS_EXPORT int cublasLtMatmulPreferenceDestroy(void* preference) {
  LS_CALL("cublasLtMatmulPreferenceDestroy");
  delete static_cast<Preference*>(preference);
  return fault;
}

LS_EXPORT int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* data, size_t bytes) {
  LS_CALL("cublasLtMatmulPreferenceSetAttribute");
  if (fault != 0) return fault;
  Preference* set = static_cast<Preference*>(preference);
  if (attribute == 1 && bytes == 8) return memcpy(&set->workspace, data, 8), OK;
  if (attribute == 3 && bytes == 4) return memcpy(&set->reductions, data, 4), OK;
  if (attribute >= 5 && attribute <= 8 && bytes == 4) return memcpy(&set->alignment[attribute - 5], data, 4), OK;
  return BAD_VALUE;
}

// The first choice cuts the sum when it is long and the preference allows it, in place before in a workspace.
LS_EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void* description, void* a, void* b, void* c, void* d, void* preference, int wanted,
                                             Result* results, int* found) {
  LS_CALL("cublasLtMatmulAlgoGetHeuristic");
  *found = 0;
  if (fault != 0) return fault;
  const Description& product = *static_cast<Description*>(description);
  const Layout &left = *static_cast<Layout*>(a), &out = *static_cast<Layout*>(d);
  const Preference& asked = *static_cast<Preference*>(preference);
  if (wanted < 1 || !fit(product, left, *static_cast<Layout*>(b), *static_cast<Layout*>(c), out)) return BAD_VALUE;
  Algorithm algorithm{};
  algorithm.mark = MARK;
  algorithm.pieces = 1;
  memcpy(algorithm.alignment, asked.alignment, sizeof algorithm.alignment);
  uint64_t inner = product.transpose[0] ? left.rows : left.columns;
  if (inner >= 64) {
    uint64_t partial = 2 * out.rows * out.columns * 4;
    if (asked.reductions & IN_PLACE) {
      algorithm.reduction = IN_PLACE;
      algorithm.pieces = 4;
    } else if ((asked.reductions & IN_COMPUTE_TYPE) && partial <= asked.workspace) {
      algorithm.reduction = IN_COMPUTE_TYPE;
      algorithm.pieces = 2;
      algorithm.workspace = partial;
    }
  }
  results[0] = Result{algorithm, algorithm.workspace, OK, 1.0f, {}};
  *found = 1;
  return OK;
}

LS_EXPORT int cublasLtMatmul(void* handle, void* description, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
                             const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const Algorithm* algorithm,
                             void* workspace, size_t workspace_bytes, void* stream) {
  LS_CALL("cublasLtMatmul");
  if (fault != 0) return fault;
  if (handle == nullptr || *static_cast<int*>(handle) != ls_emulation_device()) return NOT_INITIALIZED_YET;
  // Without an algorithm the real library asks its heuristic, which a step must not.
  if (algorithm == nullptr || algorithm->mark != MARK) return UNSUPPORTED;
  auto product = std::make_unique<Product>();
  product->description = *static_cast<Description*>(description);
  product->a = *static_cast<Layout*>(a_layout);
  product->b = *static_cast<Layout*>(b_layout);
  product->c = *static_cast<Layout*>(c_layout);
  product->d = *static_cast<Layout*>(d_layout);
  if (!fit(product->description, product->a, product->b, product->c, product->d)) return BAD_VALUE;
  const void* ends[4] = {a, b, c, d};
  const Layout* layouts[4] = {&product->a, &product->b, &product->c, &product->d};
  for (int i = 0; i < 4; i++) {
    if (!aligned(ends[i], algorithm->alignment[i])) return UNSUPPORTED;
    if (!ls_emulation_is_device_memory(ends[i], layouts[i]->extent())) return BAD_VALUE;
  }
  if (workspace_bytes < algorithm->workspace) return BAD_VALUE;
  if (algorithm->workspace > 0 && (!aligned(workspace, 256) || !ls_emulation_is_device_memory(workspace, algorithm->workspace))) return BAD_VALUE;
  memcpy(&product->alpha, alpha, 4);
  memcpy(&product->beta, beta, 4);
  product->a_data = a;
  product->b_data = b;
  product->c_data = c;
  product->d_data = d;
  product->algorithm = *algorithm;
  product->workspace = workspace;
  static std::atomic<uint64_t> seeds{1};
  product->seed = seeds++;
  return ls_emulation_enqueue(stream, product.release()) == SUCCESS ? OK : EXECUTION_FAILED;
}
