// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Resources that are closed together, the last one first, all of them whatever fails meanwhile.
///
/// A constructor that takes several adds each, and closes them after a failure of a later one. Not
/// thread-safe.
public final class Owned implements AutoCloseable {
    private final Deque<Runnable> closes = new ArrayDeque<>();

    /// Adds a resource, which it returns.
    public <T> T add(T resource, Consumer<T> close) {
        closes.push(() -> close.accept(resource));
        return resource;
    }

    /// Closes everything after `failure`, which it returns: what fails now is secondary.
    public RuntimeException closedAfter(RuntimeException failure) {
        try {
            close();
        } catch (RuntimeException further) {
            failure.addSuppressed(further);
        }
        return failure;
    }

    /// Closes everything, then throws the first failure.
    @Override
    public void close() {
        @Nullable RuntimeException first = null;
        while (!closes.isEmpty()) {
            try {
                closes.pop().run();
            } catch (RuntimeException failure) {
                if (first == null) {
                    first = failure;
                } else {
                    first.addSuppressed(failure);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
