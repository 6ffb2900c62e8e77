package dev.lockstep.it.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/// What reading an input may allocate: a fixed part, and a multiple of the input's size.
public record Bounds(long fixedBytes, long bytesPerByte) {
    private static final int TIMES = 5;

    /// Set in a JVM that has no fuzzer in it.
    private static final String ALONE = "lockstep.fuzz.alone";

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// Runs what reads the input and throws where it always allocates more: the first times may
    /// load classes and make tables that last.
    ///
    /// The fuzzer's own hooks allocate in the reader's name, a little for each comparison. So what
    /// is too much with them is tried again in a JVM without. Called by a fuzz target's
    /// `fuzzerTestOneInput`, which that JVM calls too.
    public void check(byte[] input, Consumer<byte[]> reader) {
        long limit = fixedBytes + bytesPerByte * input.length;
        long least = Long.MAX_VALUE;
        for (int time = 0; time < TIMES && least > limit; time++) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            reader.accept(input);
            least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
        }
        Class<?> target =
                StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE).getCallerClass();
        if (least > limit && (Boolean.getBoolean(ALONE) || failsAlone(target, input))) {
            throw new AssertionError(
                    "an input of %d bytes made the reader allocate %d, more than %d + %d times its size"
                            .formatted(input.length, least, fixedBytes, bytesPerByte));
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

    /// Gives a fuzz target one input.
    ///
    /// @param arguments name of the target's class, and the input's file
    public static void main(String[] arguments) throws Exception {
        Class.forName(arguments[0])
                .getMethod("fuzzerTestOneInput", byte[].class)
                .invoke(null, (Object) Files.readAllBytes(Path.of(arguments[1])));
    }

    /// A refusal is a line that a user can be shown.
    public static void requireOneLine(RuntimeException refused) {
        String line = refused.getMessage();
        if (line == null || line.isBlank() || line.contains("\n") || line.length() > 1_100) {
            throw new AssertionError("not one line to show: " + line, refused);
        }
    }
}
