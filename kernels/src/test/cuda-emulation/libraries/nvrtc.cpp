// SPDX-License-Identifier: Apache-2.0
// libnvrtc.so.13 of the emulation: g++ with the emulation's header compiles a program; its "machine code" is a text that
// names the object. Objects are kept by content in CUDA_EMULATION_CACHE, or else beside this library.
#define LS_LIBRARY "nvrtc"
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "calls.h"

extern char** environ;

namespace {

enum Result { OK = 0, INVALID_INPUT = 3, INVALID_OPTION = 5, COMPILATION = 6, INTERNAL = 11 };

struct Program {
  std::string name, source;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string log, image;
};

// The folder with compile.sh and the headers of the emulation.
const std::string SOURCES = LS_SOURCES;

uint64_t hash(const std::string& bytes, uint64_t start = 0xcbf29ce484222325ull) {
  uint64_t value = start;
  for (unsigned char byte : bytes) value = (value ^ byte) * 0x100000001b3ull;
  return value;
}

std::string digest(const std::string& bytes) {
  char text[64];
  snprintf(text, sizeof text, "%016lx%016lx", hash(bytes), hash(bytes, 0x9e3779b97f4a7c15ull));
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

std::string cache() {
  if (const char* named = getenv("CUDA_EMULATION_CACHE")) return named;
  Dl_info info;
  dladdr(reinterpret_cast<void*>(&cache), &info);
  std::string library = info.dli_fname;
  return library.substr(0, library.rfind('/')) + "/objects";
}

// Runs a command with its output in a file; returns whether it succeeded.
bool run(std::vector<std::string> command, const std::string& headers, const std::string& output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::vector<char*> arguments, environment;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string include = "LS_HEADERS=" + headers;
  for (char** variable = environ; *variable != nullptr; variable++) environment.push_back(*variable);
  environment.push_back(include.data());
  environment.push_back(nullptr);
  pid_t child;
  int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return write(output, std::string("cannot run ") + command[0] + ": " + strerror(failed)), false;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Parses NVRTC's options; returns whether all are known.
bool parse(int count, const char* const* options, std::string& architecture, std::vector<std::string>& rest) {
  for (int i = 0; i < count; i++) {
    std::string option = options[i];
    std::string value = option.substr(option.find('=') + 1);
    if (option.rfind("--gpu-architecture=", 0) == 0 || option.rfind("-arch=", 0) == 0) {
      architecture = value;
    } else if (option.rfind("-D", 0) == 0 || option.rfind("--define-macro=", 0) == 0) {
      rest.push_back(option[1] == 'D' ? option : "-D" + value);
    } else if (option != "--fmad=false" && option.rfind("--std=", 0) != 0 && option.rfind("--ptxas-options=", 0) != 0 &&
               option != "--device-as-default-execution-space" && option != "-default-device" && option != "--restrict" && option != "-lineinfo") {
      return false;
    }
  }
  // Machine code of a real architecture is what Lockstep asks for.
  return architecture.rfind("sm_", 0) == 0;
}

int compile(Program& program, const std::string& architecture, const std::vector<std::string>& options) {
  std::ostringstream all;
  all << program.name << '\0' << program.source << '\0';
  for (const auto& header : program.headers) all << header.first << '\0' << header.second << '\0';
  for (const std::string& option : options) all << option << '\0';
  std::string source = all.str();
  std::string parts;
  for (const char* part : {"compile.sh", "device.h", "device_block.h", "device_fiber.h", "device_intrinsics.h", "device_kernels.h",
                           "device_runtime.cpp", "device_thread.h"}) {
    parts += read(SOURCES + "/" + part);
  }
  std::string key = digest(source + parts);
  std::string folder = cache(), name = program.name.substr(0, program.name.find('.'));
  std::string object = folder + "/" + name + "-" + key + ".so";
  mkdir(folder.c_str(), 0700);
  if (access(object.c_str(), R_OK) != 0) {
    std::string work = folder + "/work-XXXXXX";
    if (mkdtemp(work.data()) == nullptr) return program.log = "cannot write to " + folder, INTERNAL;
    write(work + "/" + program.name, program.source);
    for (const auto& header : program.headers) write(work + "/" + header.first, header.second);
    std::vector<std::string> command = {"bash", SOURCES + "/compile.sh", work + "/" + program.name, object, folder + "/runtime-" + digest(parts) + ".o"};
    command.insert(command.end(), options.begin(), options.end());
    bool works = run(command, work, work + "/log");
    program.log = read(work + "/log");
    std::vector<std::string> remove = {"rm", "-rf", work};
    run(remove, "", "/dev/null");
    if (!works) return COMPILATION;
  }
  program.image = "lockstep-emulated-image-1\narchitecture " + architecture + "\nsource " + key + "\nobject " + object + "\n";
  return OK;
}

}  // namespace

LS_EXPORT const char* nvrtcGetErrorString(int result) {
  switch (result) {
    case OK: return "NVRTC_SUCCESS";
    case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case INTERNAL: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
  }
}

LS_EXPORT int nvrtcVersion(int* major, int* minor) {
  LS_CALL("nvrtcVersion");
  if (fault != 0) return fault;
  *major = 13;
  *minor = 0;
  return OK;
}

LS_EXPORT int nvrtcGetNumSupportedArchs(int* count) {
  LS_CALL("nvrtcGetNumSupportedArchs");
  if (fault != 0) return fault;
  *count = 4;
  return OK;
}

LS_EXPORT int nvrtcGetSupportedArchs(int* numbers) {
  LS_CALL("nvrtcGetSupportedArchs");
  if (fault != 0) return fault;
  const int all[] = {80, 90, 100, 120};
  memcpy(numbers, all, sizeof all);
  return OK;
}

LS_EXPORT int nvrtcCreateProgram(Program** program, const char* source, const char* name, int headers, const char* const* texts,
                                 const char* const* names) {
  LS_CALL("nvrtcCreateProgram");
  if (fault != 0) return fault;
  auto made = new Program;
  made->source = source;
  made->name = name == nullptr ? "default_program.cu" : name;
  for (int i = 0; i < headers; i++) made->headers.emplace_back(names[i], texts[i]);
  *program = made;
  return OK;
}

LS_EXPORT int nvrtcDestroyProgram(Program** program) {
  LS_CALL("nvrtcDestroyProgram");
  delete *program;
  *program = nullptr;
  return fault;
}

LS_EXPORT int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  LS_CALL("nvrtcCompileProgram");
  if (fault != 0) return fault;
  std::string architecture;
  std::vector<std::string> rest;
  if (!parse(count, options, architecture, rest)) return program->log = "nvrtc: error: invalid option", INVALID_OPTION;
  return compile(*program, architecture, rest);
}

LS_EXPORT int nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
  LS_CALL("nvrtcGetProgramLogSize");
  if (fault != 0) return fault;
  *bytes = program->log.size() + 1;
  return OK;
}

LS_EXPORT int nvrtcGetProgramLog(Program* program, char* log) {
  LS_CALL("nvrtcGetProgramLog");
  if (fault != 0) return fault;
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return OK;
}

LS_EXPORT int nvrtcGetCUBINSize(Program* program, size_t* bytes) {
  LS_CALL("nvrtcGetCUBINSize");
  if (fault != 0) return fault;
  *bytes = program->image.size();
  return OK;
}

LS_EXPORT int nvrtcGetCUBIN(Program* program, char* image) {
  LS_CALL("nvrtcGetCUBIN");
  if (fault != 0) return fault;
  memcpy(image, program->image.data(), program->image.size());
  return OK;
}
