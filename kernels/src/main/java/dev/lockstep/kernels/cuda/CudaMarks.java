// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.IndexException;
import dev.lockstep.kernels.Mark;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// The marks of a stream, and what the ops before each of them have reported.
///
/// Kernels report into one word of device memory. A mark copies it to a place of its own and clears
/// it, so that ops after the mark do not change what the mark tells. Places and events are a ring:
/// a mark waits for the one that had its place before it.
final class CudaMarks implements AutoCloseable {
    static final KernelStruct REPORTED =
            KernelStruct.named("Reported")
                    .i32("set")
                    .i32("op")
                    .i64("index")
                    .i64("value")
                    .i64("limit");

    private static final int PLACES = 64;
    private static final CheckedIndex[] CHECKED = CheckedIndex.values();

    private final Cuda cuda;
    private final CudaStream stream;
    private final RecordingGuard guard;
    private final DevicePointer word;
    private final MemorySegment places;
    private final CudaEvent[] events = new CudaEvent[PLACES];
    private volatile long made;
    private volatile long settled;
    private @Nullable IndexException refusal;
    private long refusedBefore;

    CudaMarks(
            Cuda cuda,
            CudaStream stream,
            RecordingGuard guard,
            CudaMemory memory,
            DevicePointer word) {
        this.cuda = cuda;
        this.stream = stream;
        this.guard = guard;
        this.word = word;
        places = memory.pin((long) PLACES * REPORTED.bytes(), Arena.global());
        for (int i = 0; i < PLACES; i++) {
            events[i] = cuda.event();
        }
    }

    /// Marks the point after everything that was enqueued until now.
    synchronized Mark mark() {
        guard.refuse("a mark");
        long number = made + 1;
        if (number - PLACES > settled) {
            cuda.await(event(number));
            settle(number - PLACES);
        }
        cuda.copyToHost(place(number), word, stream);
        cuda.fill(word, (byte) 0, Integer.BYTES, stream);
        cuda.record(event(number), stream);
        made = number;
        return new Point(number);
    }

    /// Returns how many marks are known to be reached. Any thread may ask.
    long reached() {
        return settled;
    }

    /// Returns whether the last mark is not reached. Any attached thread may ask.
    boolean pending() {
        return !new Point(made).reached();
    }

    /// A mark, by its number, counted from 1.
    private final class Point implements Mark {
        private final long number;
        private @Nullable IndexException refused;

        Point(long number) {
            this.number = number;
        }

        @Override
        public boolean reached() {
            if (settled >= number) {
                return true;
            }
            try {
                return cuda.isReached(event(number));
            } catch (CudaException | DeviceLostException failure) {
                return true;
            }
        }

        @Override
        public void await() {
            guard.refuse("a wait");
            if (settled < number) {
                // If the event has become that of a later mark, this wait is longer.
                cuda.await(event(number));
                settle(number);
            }
            throwRefusal(this);
        }
    }

    private CudaEvent event(long number) {
        return events[(int) (number % PLACES)];
    }

    private MemorySegment place(long number) {
        return places.asSlice(number % PLACES * REPORTED.bytes(), REPORTED.bytes());
    }

    /// Reads what was reported before the marks up to `number`, which are reached.
    private synchronized void settle(long number) {
        for (long each = settled + 1; each <= number; each++) {
            MemorySegment place = place(each);
            if (place.get(ValueLayout.JAVA_INT, 0) != 0 && refusal == null) {
                refusal =
                        new IndexException(
                                CHECKED[place.get(ValueLayout.JAVA_INT, 4)],
                                place.get(ValueLayout.JAVA_LONG, 8),
                                place.get(ValueLayout.JAVA_LONG, 16),
                                place.get(ValueLayout.JAVA_LONG, 24));
                refusedBefore = each;
            }
            settled = each;
        }
    }

    /// Throws what was found before a mark. The first mark that is asked keeps it, so that every
    /// thread that waits for this one gets it, and no other mark does.
    private synchronized void throwRefusal(Point mark) {
        IndexException found = mark.refused;
        if (found == null && refusal != null && refusedBefore <= mark.number) {
            found = refusal;
            mark.refused = found;
            refusal = null;
        }
        if (found != null) {
            throw found;
        }
    }

    @Override
    public void close() {
        for (CudaEvent event : events) {
            cuda.destroy(event);
        }
    }
}
