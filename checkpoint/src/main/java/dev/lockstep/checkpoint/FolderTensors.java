// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/// The tensors of a folder as they are written with some of its matrices quantized: experts that
/// one tensor has are taken apart if a matrix of one is quantized.
///
/// @param quantized chooses matrices, those of single experts among them
record FolderTensors(FolderCheckpoint source, Predicate<WeightMatrix> quantized) {

    List<FolderTensor> all() {
        List<FolderTensor> all = new ArrayList<>();
        Set<String> written = new HashSet<>();
        for (String name : source.tensorNames()) {
            if (written.contains(name)) {
                continue;
            }
            Optional<FusedExperts> experts = FusedExperts.of(source, name);
            List<FolderTensor> separate = experts.map(FusedExperts::separate).orElse(List.of());
            if (separate.stream().anyMatch(each -> quantized.test(each.matrix()))) {
                all.addAll(separate);
                written.addAll(experts.orElseThrow().tensors());
            } else {
                all.add(FolderTensor.asStored(source, name));
            }
        }
        return all;
    }

    /// Returns the matrices that are quantized.
    List<WeightMatrix> chosen() {
        return all().stream().map(FolderTensor::matrix).filter(quantized).toList();
    }
}
