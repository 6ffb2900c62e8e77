// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/// When what a stream was given runs, and what it reads.
final class CudaStreamTest extends DeviceFixture {

    @Test
    void copiesReadPinnedMemoryWhenTheStreamComesToThem() {
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        fill(pinned.host(), 2);
        assertEquals(2, deviceValue(7));
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        fill(pinned.host(), 3);
        assertEquals(2, deviceValue(7));
    }

    @Test
    void copiesReadOtherMemoryAtOnce() {
        MemorySegment host = arena.allocate(BYTES, 4);
        fill(host, 1);
        cuda.copyToDevice(device, host, stream);
        fill(host, 2);
        assertEquals(1, deviceValue(SIZE - 1));
    }

    @Test
    void nothingRunsBeforeItIsWaitedOrAskedFor() {
        PinnedMemory out = cuda.pin(BYTES);
        fill(pinned.host(), 5);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.copyToHost(out.host(), device, stream);
        CudaEvent event = cuda.event();
        assertTrue(cuda.isReached(event));
        cuda.record(event, stream);
        assertEquals(0, out.host().get(ValueLayout.JAVA_FLOAT, 0));
        cuda.await(event);
        assertTrue(cuda.isReached(event));
        assertEquals(5, out.host().get(ValueLayout.JAVA_FLOAT, 0));

        cuda.fill(device, (byte) 0, BYTES, stream);
        assertFalse(cuda.isIdle(stream));
        while (!cuda.isIdle(stream)) {
            Thread.onSpinWait();
        }
        cuda.destroy(event);
        cuda.free(out);
    }

    @Test
    void workRunsByItselfAfterAWhile() {
        EmulatedCuda.holdWork(false);
        fill(pinned.host(), 6);
        PinnedMemory out = cuda.pin(BYTES);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.copyToHost(out.host(), device, stream);
        // A word in mapped memory is read without a call of the driver.
        while ((float) ValueLayout.JAVA_FLOAT.varHandle().getVolatile(out.host(), 0L) != 6) {
            Thread.onSpinWait();
        }
        cuda.free(out);
    }

    @Test
    void anotherStreamWaitsForAnEvent() {
        CudaStream other = cuda.stream(0);
        CudaEvent event = cuda.event();
        fill(pinned.host(), 4);
        cuda.copyToDevice(device, pinned.host(), stream);
        launch(stream, 2, 1);
        cuda.record(event, stream);
        cuda.await(event, other);
        DevicePointer copy = cuda.allocate(BYTES);
        cuda.copy(copy, device, BYTES, other);
        cuda.synchronize(other);
        assertEquals(9, value(copy, 3));
        cuda.free(copy);
        cuda.destroy(event);
        cuda.destroy(other);
    }

    @Test
    void parametersAreThoseOfTheLaunch() {
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        MemorySegment parameters = TestProgram.parameters(arena, device.address(), SIZE, 10, 0);
        launch(stream, parameters);
        parameters.set(ValueLayout.JAVA_FLOAT, 16, 1000);
        assertEquals(10, deviceValue(SIZE - 1));
    }
}
