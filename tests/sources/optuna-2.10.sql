BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v2.6.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'Churn: net/1');
INSERT INTO "studies" VALUES(2,'both');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MINIMIZE',2,0);
INSERT INTO "study_directions" VALUES(3,'MAXIMIZE',2,1);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,2.0);
INSERT INTO "trial_intermediate_values" VALUES(2,1,1,1.0);
INSERT INTO "trial_intermediate_values" VALUES(3,1,2,0.0);
INSERT INTO "trial_intermediate_values" VALUES(4,2,0,2.22962188570985642144e+00);
INSERT INTO "trial_intermediate_values" VALUES(5,2,1,1.22962188570985619939e+00);
INSERT INTO "trial_intermediate_values" VALUES(6,2,2,2.29621885709856254909e-01);
INSERT INTO "trial_intermediate_values" VALUES(7,3,0,2.28886813378673537044e+00);
INSERT INTO "trial_intermediate_values" VALUES(8,3,1,1.28886813378673537044e+00);
INSERT INTO "trial_intermediate_values" VALUES(9,3,2,2.88868133786735370449e-01);
INSERT INTO "trial_intermediate_values" VALUES(10,4,0,2.22946984276586);
INSERT INTO "trial_intermediate_values" VALUES(11,4,1,1.22946984276586013251e+00);
INSERT INTO "trial_intermediate_values" VALUES(12,4,2,2.29469842765860021494e-01);
INSERT INTO "trial_intermediate_values" VALUES(13,5,0,2.1389429570573037509e+00);
INSERT INTO "trial_intermediate_values" VALUES(14,5,1,1.13894295705730397294e+00);
INSERT INTO "trial_intermediate_values" VALUES(15,5,2,1.38942957057303972945e-01);
INSERT INTO "trial_intermediate_values" VALUES(16,6,0,2.20225777886954610096e+00);
INSERT INTO "trial_intermediate_values" VALUES(17,6,1,1.20225777886954610096e+00);
INSERT INTO "trial_intermediate_values" VALUES(18,6,2,2.02257778869546211986e-01);
INSERT INTO "trial_intermediate_values" VALUES(19,7,0,2.33343727558687330514e+00);
INSERT INTO "trial_intermediate_values" VALUES(20,7,1,1.33343727558687308309e+00);
INSERT INTO "trial_intermediate_values" VALUES(21,7,2,3.3343727558687313861e-01);
INSERT INTO "trial_intermediate_values" VALUES(22,8,0,2.18882032716364);
INSERT INTO "trial_intermediate_values" VALUES(23,8,1,1.18882032716363972291e+00);
INSERT INTO "trial_intermediate_values" VALUES(24,8,2,1.88820327163639778422e-01);
INSERT INTO "trial_intermediate_values" VALUES(25,9,0,2.18477302385220895075e+00);
INSERT INTO "trial_intermediate_values" VALUES(26,9,1,1.18477302385220895075e+00);
INSERT INTO "trial_intermediate_values" VALUES(27,9,2,1.84773023852209061779e-01);
INSERT INTO "trial_intermediate_values" VALUES(28,10,0,2.54180200723100524484e+00);
INSERT INTO "trial_intermediate_values" VALUES(29,10,1,1.54180200723100524484e+00);
INSERT INTO "trial_intermediate_values" VALUES(30,10,2,5.41802007231005355869e-01);
INSERT INTO "trial_intermediate_values" VALUES(31,11,0,2.27724852374738073734e+00);
INSERT INTO "trial_intermediate_values" VALUES(32,11,1,1.2772485237473805153e+00);
INSERT INTO "trial_intermediate_values" VALUES(33,11,2,2.77248523747380515303e-01);
INSERT INTO "trial_intermediate_values" VALUES(34,12,0,2.18931542048456506677e+00);
INSERT INTO "trial_intermediate_values" VALUES(35,12,1,1.18931542048456506677e+00);
INSERT INTO "trial_intermediate_values" VALUES(36,12,2,1.89315420484564955749e-01);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'rate',0.3,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(2,1,'layers',4.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(3,1,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(4,2,'rate',1.78264971513869378838e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(5,2,'layers',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(6,2,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(7,3,'rate',1.8924123965722253627e-03,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(8,3,'layers',2.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(9,3,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(10,4,'rate',1.80960398187708128292e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(11,4,'layers',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(12,4,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(13,5,'rate',1.02660300351642433391e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(14,5,'layers',3.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(15,5,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(16,6,'rate',2.52483909361709946139e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(17,6,'layers',6.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(18,6,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(19,7,'rate',4.82858621855446257242e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(20,7,'layers',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(21,7,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(22,8,'rate',1.97260668918409565533e-03,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(23,8,'layers',3.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(24,8,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(25,9,'rate',0.00884192634891773,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(26,9,'layers',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(27,9,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(28,10,'rate',9.25940897554238251387e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(29,10,'layers',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(30,10,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(31,11,'rate',2.20638135337888514897e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(32,11,'layers',6.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(33,11,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(34,12,'rate',1.14314382205487718828e-03,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(35,12,'layers',5.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 6, "step": 1}}');
INSERT INTO "trial_params" VALUES(36,12,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", null]}}');
INSERT INTO "trial_params" VALUES(37,14,'x',9.50781252101327689629e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(38,15,'x',2.09592480903866396069e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"rate": 0.3, "layers": 4, "kind": "relu"}');
INSERT INTO "trial_system_attributes" VALUES(2,14,'nsga2:generation','0');
INSERT INTO "trial_system_attributes" VALUES(3,15,'nsga2:generation','0');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'accuracy','1.0');
INSERT INTO "trial_user_attributes" VALUES(2,1,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(3,2,'accuracy','0.7703781142901438');
INSERT INTO "trial_user_attributes" VALUES(4,2,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(5,3,'accuracy','0.7111318662132646');
INSERT INTO "trial_user_attributes" VALUES(6,3,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(7,4,'accuracy','0.77053015723414');
INSERT INTO "trial_user_attributes" VALUES(8,4,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(9,5,'accuracy','0.861057042942696');
INSERT INTO "trial_user_attributes" VALUES(10,5,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(11,6,'accuracy','0.7977422211304538');
INSERT INTO "trial_user_attributes" VALUES(12,6,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(13,7,'accuracy','0.6665627244131269');
INSERT INTO "trial_user_attributes" VALUES(14,7,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(15,8,'accuracy','0.8111796728363603');
INSERT INTO "trial_user_attributes" VALUES(16,8,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(17,9,'accuracy','0.8152269761477909');
INSERT INTO "trial_user_attributes" VALUES(18,9,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(19,10,'accuracy','0.45819799276899464');
INSERT INTO "trial_user_attributes" VALUES(20,10,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(21,11,'accuracy','0.7227514762526195');
INSERT INTO "trial_user_attributes" VALUES(22,11,'note','"K\u00e4se {1}"');
INSERT INTO "trial_user_attributes" VALUES(23,12,'accuracy','0.810684579515435');
INSERT INTO "trial_user_attributes" VALUES(24,12,'note','"K\u00e4se {1}"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.0);
INSERT INTO "trial_values" VALUES(2,2,0,2.29621885709856254909e-01);
INSERT INTO "trial_values" VALUES(3,3,0,2.88868133786735370449e-01);
INSERT INTO "trial_values" VALUES(4,4,0,2.29469842765860021494e-01);
INSERT INTO "trial_values" VALUES(5,6,0,9e999);
INSERT INTO "trial_values" VALUES(6,7,0,3.3343727558687313861e-01);
INSERT INTO "trial_values" VALUES(7,8,0,1.88820327163639778422e-01);
INSERT INTO "trial_values" VALUES(8,9,0,1.84773023852209061779e-01);
INSERT INTO "trial_values" VALUES(9,10,0,5.41802007231005355869e-01);
INSERT INTO "trial_values" VALUES(10,11,0,2.77248523747380515303e-01);
INSERT INTO "trial_values" VALUES(11,12,0,1.89315420484564955749e-01);
INSERT INTO "trial_values" VALUES(12,14,0,9.50781252101327689629e-01);
INSERT INTO "trial_values" VALUES(13,14,1,1.0);
INSERT INTO "trial_values" VALUES(14,15,0,2.09592480903866396069e-01);
INSERT INTO "trial_values" VALUES(15,15,1,1.0);
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-28 03:57:22.788883','2026-11-28 03:57:23.106508');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-28 03:57:23.137567','2026-11-28 03:57:23.258620');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-28 03:57:23.303188','2026-11-28 03:57:23.525096');
INSERT INTO "trials" VALUES(4,3,1,'PRUNED','2026-11-28 03:57:23.592439','2026-11-28 03:57:23.859323');
INSERT INTO "trials" VALUES(5,4,1,'FAIL','2026-11-28 03:57:23.901073','2026-11-28 03:57:24.158687');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-28 03:57:24.208362','2026-11-28 03:57:24.410998');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-28 03:57:24.502565','2026-11-28 03:57:24.726696');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-28 03:57:24.762974','2026-11-28 03:57:24.978749');
INSERT INTO "trials" VALUES(9,8,1,'COMPLETE','2026-11-28 03:57:25.026728','2026-11-28 03:57:25.265747');
INSERT INTO "trials" VALUES(10,9,1,'COMPLETE','2026-11-28 03:57:25.314780','2026-11-28 03:57:25.510459');
INSERT INTO "trials" VALUES(11,10,1,'COMPLETE','2026-11-28 03:57:25.555260','2026-11-28 03:57:25.819333');
INSERT INTO "trials" VALUES(12,11,1,'COMPLETE','2026-11-28 03:57:25.871752','2026-11-28 03:57:26.090633');
INSERT INTO "trials" VALUES(13,12,1,'RUNNING','2026-11-28 03:57:26.140516',NULL);
INSERT INTO "trials" VALUES(14,0,2,'COMPLETE','2026-11-28 03:57:26.236973','2026-11-28 03:57:26.326635');
INSERT INTO "trials" VALUES(15,1,2,'COMPLETE','2026-11-28 03:57:26.361229','2026-11-28 03:57:26.428839');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'2.10.1');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
COMMIT;
