import com.fasterxml.jackson.databind.JsonNode;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttribute;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeModel;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributes;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.CancelObservationRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.californium.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;

/**
 * A server on Eclipse Leshan's server library, on a free port. Argument: directory of object models. It tells what
 * devices do on standard output and takes operations on standard input, both as lines of JSON.
 */
public final class Manager {
    private static final long PATIENCE = 10_000;

    private final LeshanServer server;

    private Manager(LeshanServer server) {
        this.server = server;
    }

    public static void main(String[] arguments) throws Exception {
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setObjectModelProvider(new VersionedModelProvider(Peer.models(arguments[0])));
        builder.setEndpointsProviders(new CaliforniumServerEndpointsProvider.Builder()
                .addEndpoint(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), Protocol.COAP).build());
        LeshanServer server = builder.build();
        server.getRegistrationService().addListener(new Registrations());
        server.getObservationService().addListener(new Notifications());
        server.getSendService().addListener(new Sends());
        server.start();
        Peer.tell("started", "uri", server.getEndpoint(Protocol.COAP).getURI().toString());
        Manager manager = new Manager(server);
        Peer.listen(manager::carryOut);
        System.exit(0);
    }

    private void carryOut(JsonNode asked) throws Exception {
        Registration registration = server.getRegistrationService().getByEndpoint(asked.get("endpoint").asText());
        if (registration == null) {
            throw new IllegalStateException("no such registration");
        }
        LwM2mResponse response = server.send(registration, request(asked, registration), PATIENCE);
        Map<String, Object> told = new LinkedHashMap<>();
        if (response == null) {
            Peer.tell("answer", "number", asked.get("number").asInt(), "failure", "timeout");
            return;
        }
        if (response instanceof ReadResponse && response.isSuccess()) {
            told = Peer.values(asked.get("path").asText(), ((ReadResponse) response).getContent());
        } else if (response instanceof ReadCompositeResponse && response.isSuccess()) {
            told = Peer.values(((ReadCompositeResponse) response).getContent());
        }
        String text = "";
        if (response instanceof DiscoverResponse && response.isSuccess()) {
            StringBuilder links = new StringBuilder();
            for (Object link : ((DiscoverResponse) response).getObjectLinks()) {
                links.append(link).append('\n');
            }
            text = links.toString();
        } else if (response instanceof CreateResponse && response.isSuccess()) {
            text = ((CreateResponse) response).getLocation();
        }
        Peer.tell("answer", "number", asked.get("number").asInt(), "code", response.getCode().getCode(), "values", told,
                "text", text == null ? "" : text);
    }

    private DownlinkRequest<? extends LwM2mResponse> request(JsonNode asked, Registration registration) {
        String path = asked.path("path").asText();
        ContentFormat format = asked.hasNonNull("format") ? ContentFormat.fromCode(asked.get("format").asInt()) : null;
        switch (asked.get("do").asText()) {
        case "read":
            return new ReadRequest(format, path);
        case "discover":
            return new DiscoverRequest(path);
        case "write":
            WriteRequest.Mode mode = asked.path("update").asBoolean() ? WriteRequest.Mode.UPDATE
                    : WriteRequest.Mode.REPLACE;
            return new WriteRequest(mode, format, path, node(registration, new LwM2mPath(path), asked.get("values")));
        case "execute":
            return new ExecuteRequest(path, asked.path("arguments").asText(null));
        case "create":
            Map<Integer, LwM2mResource> made = resources(registration, new LwM2mPath(path), asked.get("values"));
            return new CreateRequest(format, path, made.values());
        case "delete":
            return new DeleteRequest(path);
        case "attributes":
            return new WriteAttributesRequest(path, attributes(asked.get("set")));
        case "observe":
            return new ObserveRequest(format, path);
        case "cancel":
            return new CancelObservationRequest((SingleObservation) observation(registration, path));
        case "read-composite":
            return new ReadCompositeRequest(format, format, strings(asked.get("paths")));
        case "observe-composite":
            return new ObserveCompositeRequest(format, format, strings(asked.get("paths")).toArray(new String[0]));
        case "cancel-composite":
            return new CancelCompositeObservationRequest((CompositeObservation) observation(registration, ""));
        case "write-composite":
            Map<String, Object> values = new LinkedHashMap<>();
            asked.get("values").fields().forEachRemaining(
                    entry -> values.put(entry.getKey(), typed(registration, entry.getKey(), entry.getValue())));
            return new WriteCompositeRequest(format, values);
        default:
            throw new IllegalArgumentException(asked.toString());
        }
    }

    private Observation observation(Registration registration, String path) {
        for (Observation one : server.getObservationService().getObservations(registration)) {
            if (one instanceof CompositeObservation && path.isEmpty()) {
                return one;
            }
            if (one instanceof SingleObservation && ((SingleObservation) one).getPath().toString().equals(path)) {
                return one;
            }
        }
        throw new IllegalStateException("nothing is observed at " + path);
    }

    private Object typed(Registration registration, String path, JsonNode value) {
        LwM2mPath parsed = new LwM2mPath(path);
        return Peer.typed(value, model(registration, parsed.getObjectId(), parsed.getResourceId()).type);
    }

    private ResourceModel model(Registration registration, int objectId, int resourceId) {
        LwM2mModel model = server.getModelProvider().getObjectModel(registration);
        return model.getResourceModel(objectId, resourceId);
    }

    private LwM2mNode node(Registration registration, LwM2mPath path, JsonNode values) {
        if (path.isObjectInstance()) {
            return new LwM2mObjectInstance(path.getObjectInstanceId(), resources(registration, path, values).values());
        }
        ResourceModel model = model(registration, path.getObjectId(), path.getResourceId());
        if (path.isResourceInstance()) {
            Object value = Peer.typed(values, model.type);
            return LwM2mResourceInstance.newInstance(path.getResourceInstanceId(), value, model.type);
        }
        return resource(model, values);
    }

    private Map<Integer, LwM2mResource> resources(Registration registration, LwM2mPath path, JsonNode values) {
        Map<Integer, LwM2mResource> made = new LinkedHashMap<>();
        values.fields().forEachRemaining(entry -> {
            ResourceModel model = model(registration, path.getObjectId(), Integer.parseInt(entry.getKey()));
            made.put(model.id, resource(model, entry.getValue()));
        });
        return made;
    }

    private LwM2mResource resource(ResourceModel model, JsonNode values) {
        if (!model.multiple) {
            return LwM2mSingleResource.newResource(model.id, Peer.typed(values, model.type), model.type);
        }
        Map<Integer, Object> instances = new LinkedHashMap<>();
        values.fields().forEachRemaining(
                entry -> instances.put(Integer.parseInt(entry.getKey()), Peer.typed(entry.getValue(), model.type)));
        return LwM2mMultipleResource.newResource(model.id, instances, model.type);
    }

    private static LwM2mAttributeSet attributes(JsonNode set) {
        List<LwM2mAttribute<?>> made = new ArrayList<>();
        Iterator<Map.Entry<String, JsonNode>> fields = set.fields();
        while (fields.hasNext()) {
            Map.Entry<String, JsonNode> entry = fields.next();
            made.add(attribute(model(entry.getKey()), entry.getValue()));
        }
        return new LwM2mAttributeSet(made);
    }

    private static LwM2mAttributeModel<?> model(String name) {
        for (LwM2mAttributeModel<?> model : LwM2mAttributes.ALL) {
            if (model.getName().equals(name)) {
                return model;
            }
        }
        throw new IllegalArgumentException(name);
    }

    @SuppressWarnings("unchecked")
    private static LwM2mAttribute<?> attribute(LwM2mAttributeModel<?> model, JsonNode value) {
        if (value.isNull()) {
            return LwM2mAttributes.create(model);
        }
        if (List.of("gt", "lt", "st").contains(model.getName())) {
            return LwM2mAttributes.create((LwM2mAttributeModel<Double>) model, value.asDouble());
        }
        return LwM2mAttributes.create((LwM2mAttributeModel<Long>) model, value.asLong());
    }

    private static List<String> strings(JsonNode items) {
        List<String> found = new ArrayList<>();
        items.forEach(item -> found.add(item.asText()));
        return found;
    }

    private static final class Registrations implements RegistrationListener {
        @Override
        public void registered(Registration registration, Registration previous, Collection<Observation> observations) {
            List<String> instances = new ArrayList<>();
            registration.getAvailableInstances().forEach(path -> instances.add(path.toString()));
            Peer.tell("registered", "endpoint", registration.getEndpoint(), "version",
                    registration.getLwM2mVersion().toString(), "lifetime", registration.getLifeTimeInSec(), "queue",
                    registration.usesQueueMode(), "instances", instances);
        }

        @Override
        public void updated(RegistrationUpdate update, Registration now, Registration before) {
            Peer.tell("updated", "endpoint", now.getEndpoint(), "lifetime", now.getLifeTimeInSec());
        }

        @Override
        public void unregistered(Registration registration, Collection<Observation> observations, boolean expired,
                Registration next) {
            Peer.tell("unregistered", "endpoint", registration.getEndpoint(), "expired", expired);
        }
    }

    private static final class Notifications implements ObservationListener {
        @Override
        public void newObservation(Observation observation, Registration registration) {
        }

        @Override
        public void cancelled(Observation observation) {
        }

        @Override
        public void onResponse(SingleObservation observation, Registration registration, ObserveResponse response) {
            String path = observation.getPath().toString();
            Peer.tell("notified", "path", path, "values", Peer.values(path, response.getContent()));
        }

        @Override
        public void onResponse(CompositeObservation observation, Registration registration,
                ObserveCompositeResponse response) {
            Peer.tell("notified", "path", "/", "values", Peer.values(response.getContent()));
        }

        @Override
        public void onError(Observation observation, Registration registration, Exception error) {
            Peer.tell("notification failed", "message", String.valueOf(error));
        }
    }

    private static final class Sends implements SendListener {
        @Override
        public void dataReceived(Registration registration, TimestampedLwM2mNodes data, SendRequest request) {
            Peer.tell("sent", "values", Peer.values(data.getNodes()));
        }

        @Override
        public void onError(Registration registration, String message, Exception error) {
            Peer.tell("send failed", "message", String.valueOf(error));
        }
    }
}
