"""Every method of both clients, from the calls that define them. `help(Client.read)` shows what one takes."""

from lwm2m_ml.client import (
    administration_calls,
    calls,
    campaign_calls,
    configuration_calls,
    credential_calls,
    device_calls,
    federated_calls,
    fit_calls,
    monitoring_calls,
    zoo_calls,
)
from lwm2m_ml.client.methods import listing, method, stream


class Api:
    """What an operator can ask for; each method is documented by its call."""

    health = method(calls.health)
    ready = method(calls.ready)
    trust_anchor = method(calls.trust_anchor)

    devices = listing(device_calls.devices)
    fleet = method(device_calls.fleet)
    device = method(device_calls.device)
    results = method(device_calls.results)
    infer = method(device_calls.infer)
    history = method(device_calls.history)
    messages = method(device_calls.messages)
    updates = method(device_calls.updates)

    read = method(device_calls.read)
    write = method(device_calls.write)
    execute = method(device_calls.execute)
    discover = method(device_calls.discover)
    create = method(device_calls.create)
    delete = method(device_calls.delete)
    write_attributes = method(device_calls.write_attributes)
    read_composite = method(device_calls.read_composite)
    write_composite = method(device_calls.write_composite)
    observe = stream(device_calls.observe)

    queue = method(device_calls.queue)
    requests = listing(device_calls.requests)
    request = method(device_calls.request)
    cancel_request = method(device_calls.cancel_request)

    models = method(calls.models)
    model_versions = method(zoo_calls.model_versions)
    model = method(zoo_calls.model)
    store_file = method(zoo_calls.store_file)
    add_model = method(zoo_calls.add_model)
    variant_file = method(zoo_calls.variant_file)
    remove_model = method(zoo_calls.remove_model)
    set_alias = method(zoo_calls.set_alias)
    remove_alias = method(zoo_calls.remove_alias)
    reference = method(calls.reference)
    modules = listing(calls.modules)
    module = method(calls.module)
    compile_variant = method(calls.compile_variant)
    explain_variant = method(calls.explain_variant)
    explained_module = method(calls.explained_module)
    targets = method(calls.targets)
    objects = listing(calls.objects)
    object_definition = method(calls.object_definition)
    deploy = method(calls.deploy)
    deployments = listing(calls.deployments)
    deployment = method(calls.deployment)

    start_campaign = method(campaign_calls.start_campaign)
    preview_campaign = method(campaign_calls.preview_campaign)
    campaigns = listing(campaign_calls.campaigns)
    campaign = method(campaign_calls.campaign)
    campaign_devices = listing(campaign_calls.campaign_devices)
    campaign_story = listing(campaign_calls.campaign_story)
    command_campaign = method(campaign_calls.command_campaign)
    fit = method(fit_calls.fit)
    device_types = listing(fit_calls.device_types)
    add_device_type = method(fit_calls.add_device_type)
    remove_device_type = method(fit_calls.remove_device_type)
    start_federated = method(federated_calls.start_federated)
    federated_runs = listing(federated_calls.federated_runs)
    federated_run = method(federated_calls.federated_run)
    federated_rounds = listing(federated_calls.federated_rounds)
    federated_answers = listing(federated_calls.federated_answers)
    federated_story = listing(federated_calls.federated_story)
    federated_weights = method(federated_calls.federated_weights)
    command_federated = method(federated_calls.command_federated)

    groups = listing(campaign_calls.groups)
    group = method(campaign_calls.group)
    add_group = method(campaign_calls.add_group)
    remove_group = method(campaign_calls.remove_group)
    tag_device = method(campaign_calls.tag_device)

    credentials = listing(credential_calls.credentials)
    add_credential = method(credential_calls.add_credential)
    import_credentials = method(credential_calls.import_credentials)
    rotate_credential = method(credential_calls.rotate_credential)
    revoke_credential = method(credential_calls.revoke_credential)
    server_certificate = method(credential_calls.server_certificate)
    bootstrap_configurations = listing(credential_calls.bootstrap_configurations)
    configure_bootstrap = method(credential_calls.configure_bootstrap)
    remove_bootstrap = method(credential_calls.remove_bootstrap)

    jobs = listing(administration_calls.jobs)
    job = method(administration_calls.job)
    cancel_job = method(administration_calls.cancel_job)
    tokens = listing(administration_calls.tokens)
    issue_token = method(administration_calls.issue_token)
    revoke_token = method(administration_calls.revoke_token)
    caller = method(administration_calls.caller)
    audit = listing(administration_calls.audit)
    events = stream(administration_calls.events)

    result_hours = method(monitoring_calls.result_hours)
    give_feedback = method(monitoring_calls.give_feedback)
    configurations = method(configuration_calls.configurations)
    configure = method(configuration_calls.configure)
    accuracy = method(monitoring_calls.accuracy)
    alarms = listing(monitoring_calls.alarms)
    alarm = method(monitoring_calls.alarm)
    acknowledge_alarm = method(monitoring_calls.acknowledge_alarm)
    capture_consents = listing(monitoring_calls.capture_consents)
    allow_captures = method(monitoring_calls.allow_captures)
    forbid_captures = method(monitoring_calls.forbid_captures)
    capture = method(monitoring_calls.capture)
    captured_inputs = method(monitoring_calls.captured_inputs)
