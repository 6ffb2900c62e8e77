// SPDX-License-Identifier: Apache-2.0
/// A Java client of the public gRPC API: text in, text out. Safe for use by any number of threads.
@NullMarked
package dev.lockstep.client;

import org.jspecify.annotations.NullMarked;
