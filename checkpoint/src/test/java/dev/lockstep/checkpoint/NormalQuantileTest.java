// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NormalQuantileTest {

    /// Values of statistical tables.
    @ParameterizedTest
    @CsvSource({
        "0.5, 0",
        "0.8413447460685429, 1",
        "0.95, 1.6448536269514722",
        "0.999, 3.090232306167813",
        "0.05, -1.6448536269514722"
    })
    void aVariableIsBelowItWithThisProbability(double probability, double quantile) {
        assertEquals(quantile, NormalQuantile.of(probability), 1e-12);
    }
}
