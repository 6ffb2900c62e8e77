// SPDX-License-Identifier: Apache-2.0
// What the emulated NVRTC makes of a program: a text that names a shared object with its kernels.
#pragma once

#include <dlfcn.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "driver.h"

namespace ls_emulation {

struct Image;

struct Kernel {
  Image* image;
  std::string name;
  size_t params_bytes;
  // Of all kernels of its file together.
  int static_shared;
  // What is left of 48 KiB, unless an attribute asks for more.
  int max_dynamic_shared;
};

struct Image {
  typedef int (*Launch)(const char*, const unsigned[3], const unsigned[3], unsigned, const void*, unsigned long);
  typedef unsigned long (*ParamsBytes)(const char*);
  typedef unsigned long (*StaticShared)();

  Launch launch;
  ParamsBytes params_bytes;
  StaticShared static_shared;
  std::string architecture;
  std::map<std::string, std::unique_ptr<Kernel>> kernels;

  static constexpr const char* FORMAT = "lockstep-emulated-image-1";

  // Parses and opens an image; returns an error of the driver.
  static int open(const std::string& text, const std::string& device, std::unique_ptr<Image>& out) {
    std::istringstream lines(text);
    std::string format, word, object, hash, architecture;
    if (!(lines >> format) || format != FORMAT) return INVALID_IMAGE;
    if (!(lines >> word >> architecture) || word != "architecture") return INVALID_IMAGE;
    if (!(lines >> word >> hash) || word != "source") return INVALID_IMAGE;
    if (!(lines >> word) || word != "object" || !std::getline(lines >> std::ws, object)) return INVALID_IMAGE;
    if (!runs_on(architecture, device)) return NO_BINARY_FOR_GPU;
    void* handle = dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      fprintf(stderr, "emulated driver: %s\n", dlerror());
      return INVALID_IMAGE;
    }
    auto image = std::make_unique<Image>();
    image->launch = reinterpret_cast<Launch>(dlsym(handle, "ls_emulated_launch"));
    image->params_bytes = reinterpret_cast<ParamsBytes>(dlsym(handle, "ls_emulated_params_bytes"));
    image->static_shared = reinterpret_cast<StaticShared>(dlsym(handle, "ls_emulated_static_shared"));
    image->architecture = architecture;
    if (image->launch == nullptr || image->params_bytes == nullptr) return INVALID_IMAGE;
    out = std::move(image);
    return SUCCESS;
  }

  Kernel* kernel(const std::string& name) {
    auto found = kernels.find(name);
    if (found != kernels.end()) return found->second.get();
    size_t bytes = params_bytes(name.c_str());
    if (bytes == 0) return nullptr;
    auto kernel = std::make_unique<Kernel>();
    kernel->image = this;
    kernel->name = name;
    kernel->params_bytes = bytes;
    kernel->static_shared = static_shared == nullptr ? 0 : static_cast<int>(static_shared());
    kernel->max_dynamic_shared = kernel->static_shared > 48 * 1024 ? 0 : 48 * 1024 - kernel->static_shared;
    return (kernels[name] = std::move(kernel)).get();
  }

  // Machine code of an architecture runs on later ones of the same major number, that with an "a" on no other.
  static bool runs_on(const std::string& architecture, const std::string& device) {
    if (architecture.rfind("sm_", 0) != 0) return false;
    std::string number = architecture.substr(3);
    bool exact = number.back() == 'a';
    if (exact) number.pop_back();
    int have = atoi(number.c_str()), need = atoi(device.c_str());
    return exact ? have == need : have / 10 == need / 10 && have <= need;
  }
};

}  // namespace ls_emulation
