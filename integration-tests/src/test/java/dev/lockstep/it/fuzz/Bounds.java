// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/// The limit of what reading an input may allocate: a fixed part plus a multiple of the input's
/// size.
public record Bounds(long fixedBytes, long bytesPerByte) {
    private static final int TRIES = 5;

    /// The limit for one run: most take a millisecond.
    private static final int MAX_CPU_SECONDS = 20;

    /// Set in a JVM without a fuzzer.
    private static final String ALONE = "lockstep.fuzz.alone";

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// Runs the reader and throws when a run takes too long, or every run allocates more than the
    /// limit: the first runs may load classes and build permanent tables.
    ///
    /// The hooks of the fuzzer allocate on the reader's thread, a little for each comparison. An
    /// input that exceeds the limit is therefore read again in a JVM without a fuzzer. A fuzz
    /// target's `fuzzerTestOneInput` calls this; that JVM calls it too.
    public void check(byte[] input, Consumer<byte[]> reader) {
        long limit = fixedBytes + bytesPerByte * input.length;
        long min = Long.MAX_VALUE;
        for (int i = 0; i < TRIES && min > limit; i++) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            requireSoon(input, reader);
            min = Math.min(min, THREADS.getCurrentThreadAllocatedBytes() - before);
        }
        Class<?> target =
                StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE).getCallerClass();
        if (min > limit && (Boolean.getBoolean(ALONE) || failsAlone(target, input))) {
            throw new AssertionError(
                    "an input of %d bytes made the reader allocate %d, more than %d + %d times its size"
                            .formatted(input.length, min, fixedBytes, bytesPerByte));
        }
    }

    /// Runs the reader and throws when it uses more than [#MAX_CPU_SECONDS], which unlike the wall
    /// time does not depend on other processes.
    private static void requireSoon(byte[] input, Consumer<byte[]> reader) {
        long start = THREADS.getCurrentThreadCpuTime();
        reader.accept(input);
        long seconds = (THREADS.getCurrentThreadCpuTime() - start) / 1_000_000_000;
        if (seconds > MAX_CPU_SECONDS) {
            throw new AssertionError(
                    "an input of %d bytes took %d s of CPU time".formatted(input.length, seconds));
        }
    }

    private static boolean failsAlone(Class<?> target, byte[] input) {
        try {
            Path file = Files.createTempFile("input", "");
            Files.write(file, input);
            Process alone =
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "java") + "",
                                    "-D" + ALONE + "=true",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    Bounds.class.getName(),
                                    target.getName(),
                                    file.toString())
                            .inheritIO()
                            .start();
            int exitCode = alone.waitFor();
            Files.delete(file);
            return exitCode != 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    /// Runs a fuzz target with one input.
    ///
    /// @param arguments the class name of the target, and the file of the input
    public static void main(String[] arguments) throws Exception {
        Class.forName(arguments[0])
                .getMethod("fuzzerTestOneInput", byte[].class)
                .invoke(null, (Object) Files.readAllBytes(Path.of(arguments[1])));
    }

    /// Throws unless the message of a refusal is one line, which can be shown to a user.
    public static void requireOneLine(RuntimeException refused) {
        String line = refused.getMessage();
        if (line == null || line.isBlank() || line.contains("\n") || line.length() > 1_100) {
            throw new AssertionError("not one line: " + line, refused);
        }
    }
}
