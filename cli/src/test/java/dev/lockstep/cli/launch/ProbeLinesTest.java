// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ProbeLinesTest {
    private static final CudaProbe.Step STEP = new CudaProbe.Step("cuInit", "works");
    private static final CudaDevice GPU =
            new CudaDevice(1, "GPU of tests", "GPU-7", 9, 0, 132, 232_448, 1 << 20, 80L << 30);

    @Test
    void whatAChildFoundIsRead() {
        var probe = new CudaProbe(List.of(STEP), List.of(GPU), Optional.empty());
        assertEquals(Optional.of(probe), ProbeLines.read(ProbeLines.write(probe)));
    }

    @Test
    void aProblemIsReadWithItsRemedy() {
        var problem = new CudaUnavailableException("cuInit failed\nwith\tcode 3", "restart it");
        var probe = new CudaProbe(List.of(STEP), List.of(), Optional.of(problem));
        CudaUnavailableException read =
                ProbeLines.read(ProbeLines.write(probe)).orElseThrow().problem().orElseThrow();
        assertEquals("cuInit failed with code 3", read.missing());
        assertEquals("restart it", read.remedy());
    }

    @Test
    void otherLinesArePassedOverAndACutAnswerIsNone() {
        var probe = new CudaProbe(List.of(STEP), List.of(GPU), Optional.empty());
        var lines = new ArrayList<>(ProbeLines.write(probe));
        lines.addFirst("a driver says hello");
        assertEquals(Optional.of(probe), ProbeLines.read(lines));
        lines.removeLast();
        assertEquals(Optional.empty(), ProbeLines.read(lines));
    }
}
