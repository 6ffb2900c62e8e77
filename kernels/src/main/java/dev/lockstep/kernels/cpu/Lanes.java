package dev.lockstep.kernels.cpu;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The vector width of the Java twins: what the CPU prefers, but at most 16 lanes of 32 bits, a
/// tile's rows. No result depends on it.
final class Lanes {
    static final VectorSpecies<Float> FLOAT = widest();
    static final VectorSpecies<Integer> INT = VectorSpecies.of(int.class, FLOAT.vectorShape());
    static final VectorSpecies<Short> SHORT = VectorSpecies.of(short.class, FLOAT.vectorShape());

    /// Lanes of a vector: 4, 8 or 16.
    static final int COUNT = FLOAT.length();

    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    static final ValueLayout.OfFloat FLOAT_VALUE =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ORDER);
    static final ValueLayout.OfInt INT_VALUE = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);
    static final ValueLayout.OfShort SHORT_VALUE =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);

    private Lanes() {}

    private static VectorSpecies<Float> widest() {
        var preferred = FloatVector.SPECIES_PREFERRED;
        return preferred.length() <= MatmulOps.TILE_ROWS ? preferred : FloatVector.SPECIES_512;
    }
}
