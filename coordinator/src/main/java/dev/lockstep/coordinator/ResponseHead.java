package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// What every chunk of one answer begins with.
///
/// @param created seconds since 1970
record ResponseHead(String id, long created, String model) {

    ObjectNode toJson(String objectName) {
        return Json.object()
                .put("id", id)
                .put("object", objectName)
                .put("created", created)
                .put("model", model);
    }
}
