// SPDX-License-Identifier: Apache-2.0
// How a file makes its kernels, and the layouts of their parameters, known.
#pragma once

#include <stdlib.h>

namespace ls_emulated {

// A kernel of the file; all form a list.
struct Kernel {
  const char* name;
  size_t bytes;
  void (*body)(const void*);
  const Kernel* next;

  Kernel(const char* name, size_t bytes, void (*body)(const void*)) : name(name), bytes(bytes), body(body), next(first()) { first() = this; }

  static const Kernel*& first() {
    static const Kernel* one = nullptr;
    return one;
  }

  static const Kernel* find(const char* name) {
    const Kernel* kernel = first();
    while (kernel != nullptr && strcmp(kernel->name, name) != 0) kernel = kernel->next;
    return kernel;
  }
};

// Text of a fixed size.
struct Text {
  char chars[1 << 16];
  size_t length;

  void append(const char* line) {
    size_t bytes = strlen(line);
    if (length + bytes >= sizeof chars) abort();
    memcpy(chars + length, line, bytes + 1);
    length += bytes;
  }
};

inline Text& layout_lines() {
  static Text lines;
  return lines;
}

// Adds lines "struct field offset size" of one struct.
struct Fields {
  const char* name;

  void add(const char* field, size_t offset, size_t size) {
    char line[256];
    snprintf(line, sizeof line, "%s %s %zu %zu\n", name, field, offset, size);
    layout_lines().append(line);
  }
};

struct Layout {
  Layout(const char* name, void (*describe)(Fields&)) {
    Fields fields{name};
    describe(fields);
  }
};

}  // namespace ls_emulated
