// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The structs of kernels as Java writes them, compared with what the compiler of the kernels says,
/// which is started for each kernel without an object.
@Tag("processes")
final class KernelStructTest {

    @Test
    void parametersAreLaidOutAsTheCompilerLaysThemOut() {
        var declarations = new ArrayList<KernelDeclaration>();
        declarations.addAll(CudaRows.declarations());
        declarations.addAll(CudaElements.declarations());
        declarations.add(CudaLoading.DECODE_ROWS);
        declarations.add(CudaProgress.ADVANCE);
        declarations.add(CudaPagedKv.COPY_BLOCKS);
        declarations.addAll(CudaAttention.declarations());
        declarations.addAll(CudaExperts.declarations());
        declarations.addAll(CudaSampler.declarations());
        declarations.addAll(CudaStates.declarations());
        declarations.addAll(CudaResiduals.declarations());
        var declared = new TreeSet<String>();
        for (KernelDeclaration each : declarations) {
            requireSame(each.file(), each.parameters());
            declared.add(each.parameters().name());
        }
        var compiled = new TreeSet<String>();
        KernelSources.FILES.forEach(file -> compiled.addAll(layouts(file).keySet()));
        compiled.removeIf(name -> !name.endsWith("Params"));
        assertEquals(compiled, declared);
    }

    @Test
    void structsInParametersAreLaidOutAsTheCompilerLaysThemOut() {
        requireSame("scatter", KernelStruct.VIEW);
        requireSame("scatter", KernelStruct.REPORT);
        requireSame("scatter", CudaMarks.REPORTED);
        requireSame("attend", CudaPagedKv.CACHE);
        requireSame("attend", CudaAttentionPlan.PLAN);
        requireSame("sampler", SamplerSlots.STATE);
        requireSame("sampler", SamplerSlots.SLOT);
        requireSame("sample", CudaSampler.SAMPLES);
        requireSame("convolve", CudaStates.ROWS);
    }

    static void requireSame(String file, KernelStruct struct) {
        List<String> compiled = layouts(file).get(struct.name());
        assertNotNull(compiled, () -> struct.name() + " is not in " + file);
        assertEquals(
                compiled,
                struct.fields().stream()
                        .map(
                                field ->
                                        "%s %d %d"
                                                .formatted(
                                                        field.name(),
                                                        field.offset(),
                                                        field.bytes()))
                        .toList(),
                struct.name());
    }

    /// Returns lines "field offset size" of each struct of a file, by its name.
    private static Map<String, List<String>> layouts(String file) {
        KernelVariant variant =
                KernelVariant.all().stream()
                        .filter(each -> each.file().equals(file))
                        .findFirst()
                        .orElseThrow();
        // Options of NVRTC alone change no layout.
        String[] macros =
                variant.options().stream()
                        .filter(option -> option.startsWith("-D"))
                        .toArray(String[]::new);
        return EmulatedObject.of(variant.file(), macros).layouts().stream()
                .map(line -> line.split(" ", 2))
                .collect(
                        Collectors.groupingBy(
                                words -> words[0],
                                TreeMap::new,
                                Collectors.mapping(words -> words[1], Collectors.toList())));
    }
}
