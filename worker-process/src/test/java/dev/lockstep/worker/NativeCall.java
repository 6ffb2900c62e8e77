// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.cuda.CudaLibrary;
import dev.lockstep.kernels.cuda.EmulatedCuda;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.stream.LongStream;

/// A call of a C function, by its number since a moment.
record NativeCall(CudaLibrary library, String function, long number) {
    private static final boolean ALL = Boolean.getBoolean("lockstep.long");

    /// What was called until a moment.
    record Counts(Map<CudaLibrary, SortedMap<String, Long>> calls) {
        static Counts now() {
            Map<CudaLibrary, SortedMap<String, Long>> calls = new TreeMap<>();
            for (CudaLibrary library : CudaLibrary.values()) {
                if (library != CudaLibrary.CUBLAS) {
                    calls.put(library, EmulatedCuda.calls(library));
                }
            }
            return new Counts(calls);
        }

        private long of(CudaLibrary library, String function) {
            return calls.getOrDefault(library, new TreeMap<>()).getOrDefault(function, 0L);
        }

        /// Returns a sample of the calls between this moment and a later one: of each function the
        /// first and the last call, and one in between that the seed chooses; with
        /// `-Dlockstep.long=true` all of them.
        List<NativeCall> sample(Counts later, long seed) {
            var random = new Random(seed);
            return chosen(
                    later,
                    made ->
                            ALL || made <= 3
                                    ? LongStream.rangeClosed(1, made)
                                    : LongStream.of(1, random.nextLong(2, made), made));
        }

        /// Returns one call of each function, which the seed chooses; with `-Dlockstep.long=true`
        /// all of them.
        List<NativeCall> onceEach(Counts later, long seed) {
            var random = new Random(seed);
            return chosen(
                    later,
                    made ->
                            ALL
                                    ? LongStream.rangeClosed(1, made)
                                    : LongStream.of(random.nextLong(1, made + 1)));
        }

        private List<NativeCall> chosen(Counts later, LongFunction<LongStream> numbers) {
            List<NativeCall> sample = new ArrayList<>();
            later.calls.forEach(
                    (library, functions) ->
                            functions.forEach(
                                    (function, until) -> {
                                        long made = until - of(library, function);
                                        if (made > 0) {
                                            numbers.apply(made)
                                                    .forEach(
                                                            number ->
                                                                    sample.add(
                                                                            new NativeCall(
                                                                                    library,
                                                                                    function,
                                                                                    number)));
                                        }
                                    }));
            return sample;
        }
    }

    /// Lets this call fail, counted from now; returns its number since the process began.
    long fail(int code) {
        long total = EmulatedCuda.calls(library, function) + number;
        EmulatedCuda.failOn(library, "%s:%d:%d".formatted(function, total, code));
        return total;
    }

    /// Returns whether the function was called that often since the process began.
    boolean wasMade(long total) {
        return EmulatedCuda.calls(library, function) >= total;
    }

    /// Lets no call fail any more.
    void heal() {
        EmulatedCuda.failOn(library, "");
    }

    /// Returns the name that messages have: without the version of the symbol.
    String name() {
        return function.replaceFirst("_v\\d$", "").replaceFirst("WithFlags$", "");
    }

    @Override
    public String toString() {
        return "call %d of %s".formatted(number, function);
    }
}
