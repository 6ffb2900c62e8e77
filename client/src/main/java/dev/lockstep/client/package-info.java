/// A client of the public API for programs: text in, text out, over gRPC. Safe for any number of
/// threads.
@NullMarked
package dev.lockstep.client;

import org.jspecify.annotations.NullMarked;
