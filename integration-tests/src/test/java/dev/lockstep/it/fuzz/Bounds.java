package dev.lockstep.it.fuzz;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/// What reading an input may allocate: a fixed part, and a multiple of the input's size.
public record Bounds(long fixedBytes, long bytesPerByte) {
    private static final int TIMES = 5;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /// Runs what reads the input and throws where it always allocates more: the first times may
    /// load classes and make tables that last.
    public void check(int inputBytes, Runnable reading) {
        long limit = fixedBytes + bytesPerByte * inputBytes;
        long least = Long.MAX_VALUE;
        for (int time = 0; time < TIMES && least > limit; time++) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            reading.run();
            least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
        }
        if (least > limit) {
            throw new AssertionError(
                    "an input of %d bytes made the reader allocate %d, more than %d + %d times its size"
                            .formatted(inputBytes, least, fixedBytes, bytesPerByte));
        }
    }

    /// A refusal is a line that a user can be shown.
    public static void requireOneLine(RuntimeException refused) {
        String line = refused.getMessage();
        if (line == null || line.isBlank() || line.contains("\n") || line.length() > 1_100) {
            throw new AssertionError("not one line to show: " + line, refused);
        }
    }
}
