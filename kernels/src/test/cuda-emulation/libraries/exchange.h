// SPDX-License-Identifier: Apache-2.0
// Messages between the ranks of one host, through a file in shared memory: a mailbox of one piece for each ordered pair.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace ls_emulation {

constexpr int MAX_RANKS = 8;

struct Mailbox {
  static constexpr size_t PIECE = 64 * 1024;
  std::atomic<uint64_t> posted, taken;
  uint64_t message_bytes, kind, piece_bytes;
  char piece[PIECE];
};

struct Member {
  std::atomic<uint32_t> present;
  int device, ranks;
  char host[64];
};

struct Exchange {
  Member members[MAX_RANKS];
  Mailbox mailboxes[MAX_RANKS][MAX_RANKS];

  static Exchange* open(const std::string& path) {
    int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return nullptr;
    void* mapped = MAP_FAILED;
    if (ftruncate(file, sizeof(Exchange)) == 0) mapped = mmap(nullptr, sizeof(Exchange), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? nullptr : static_cast<Exchange*>(mapped);
  }
};

// One message on its way, piece by piece.
struct Transfer {
  bool sends;
  int peer;
  char* data;
  size_t bytes;
  uint64_t kind;
  size_t moved = 0;

  // Moves pieces while the mailbox lets it; returns whether it did not fail.
  bool move(Exchange& exchange, int rank) {
    Mailbox& box = sends ? exchange.mailboxes[rank][peer] : exchange.mailboxes[peer][rank];
    while (moved < bytes) {
      bool full = box.posted.load(std::memory_order_acquire) != box.taken.load(std::memory_order_acquire);
      if (full == sends) return true;
      size_t piece = bytes - moved < Mailbox::PIECE ? bytes - moved : Mailbox::PIECE;
      if (sends) {
        memcpy(box.piece, data + moved, piece);
        box.message_bytes = bytes;
        box.kind = kind;
        box.piece_bytes = piece;
        box.posted.fetch_add(1, std::memory_order_release);
      } else {
        if (box.message_bytes != bytes || box.kind != kind || box.piece_bytes != piece) return false;
        memcpy(data + moved, box.piece, piece);
        box.taken.fetch_add(1, std::memory_order_release);
      }
      moved += piece;
    }
    return true;
  }
};

}  // namespace ls_emulation
